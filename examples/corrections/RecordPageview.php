<?php

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Bus\Dispatchable;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Ramsey\Uuid\Uuid;

/**
 * Records a page view. The visit's first view says that it bounced; the view after it posts a correction that takes
 * the bounce back and adds the seconds that passed. Nothing is updated.
 */
class RecordPageview implements ShouldQueue
{
    use Dispatchable, InteractsWithQueue, Queueable;

    public function __construct(
        public string $eventId,
        public string $visitId,
        public int $siteId,
        public string $timestamp,
        public string $pathname,
    ) {}

    public function handle(): void
    {
        $key = "visit:{$this->visitId}";
        $before = Cache::get($key);
        $rows = [];
        if ($before && $before['event_id'] !== $this->eventId) {
            $rows[] = $this->row([
                // Made from both views: a job that runs twice corrects once.
                'event_id' => (string) Uuid::uuid5($before['event_id'], $this->eventId),
                // The dimensions and the time of the row that is corrected.
                'timestamp' => $before['timestamp'],
                'pathname' => $before['pathname'],
                'bounces' => $before['first'] ? -1 : 0,
                'duration' => (int) Carbon::parse($before['timestamp'])->diffInSeconds($this->timestamp),
            ]);
        }
        $first = $before === null || $before['event_id'] === $this->eventId && $before['first'];
        $rows[] = $this->row([
            'event_id' => $this->eventId,
            'pageviews' => 1,
            'visits' => $first ? 1 : 0,
            'bounces' => $first ? 1 : 0,
        ]);
        // One statement: both rows are stored together or not at all.
        DB::table('pageviews')->insert($rows);
        Cache::put($key, [
            'event_id' => $this->eventId,
            'timestamp' => $this->timestamp,
            'pathname' => $this->pathname,
            'first' => $first,
        ], now()->addMinutes(30));
    }

    private function row(array $own): array
    {
        return $own + [
            'visit_id' => $this->visitId,
            'site_id' => $this->siteId,
            'timestamp' => $this->timestamp,
            'pathname' => $this->pathname,
            'pageviews' => 0,
            'visits' => 0,
            'bounces' => 0,
            'duration' => 0,
        ];
    }
}
