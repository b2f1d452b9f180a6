<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::create('pageviews', function (Blueprint $table) {
            $table->char('event_id', 36);
            $table->char('visit_id', 36);
            $table->unsignedInteger('site_id');
            $table->dateTime('timestamp');
            $table->string('pathname', 200);
            $table->tinyInteger('pageviews');
            $table->tinyInteger('visits');
            $table->tinyInteger('bounces');
            $table->integer('duration');
            $table->index(['site_id', 'timestamp']);
            // What MySQL's options cannot say: a job that runs twice counts once, and no bad row stops a batch.
            $table->comment('storno: EVENT KEY (event_id) RETAIN 35 DAYS, ON INVALID INTO pageviews_invalid');
        });
    }

    public function down(): void
    {
        Schema::dropIfExists('pageviews');
    }
};
