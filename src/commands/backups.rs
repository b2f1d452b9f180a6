//! `storno backups` and `storno restore`: what is in a place of backups, and a data directory made of one. And
//! the backup that follows a server.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use storno_sql::backup::{self, Access, Choice, Place};

use super::{engine_options, reach, say};
use crate::cli::{BackupsArgs, CommonArgs, PlaceArgs, RestoreArgs};
use crate::config::Settings;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Where S3's own tools look for another server than Amazon's.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

/// The options that settings are looked up by.
pub(super) fn common(place: &PlaceArgs, data_dir: Option<PathBuf>) -> CommonArgs {
    CommonArgs {
        data_dir,
        config: place.config.clone(),
        log: place.log.clone(),
        ..CommonArgs::default()
    }
}

/// Keeps a backup that follows the server, if the settings ask for one.
pub(super) fn follow(engine: &Engine, settings: &Settings) -> Result<()> {
    let Some(place) = &settings.backup_to else {
        return Ok(());
    };
    let credentials = settings.backup_credentials.as_deref();
    let place = reached(place, &settings.backup_config, credentials, settings)?;
    let every = Duration::from_secs(settings.backup_every.into());
    Ok(engine.sql().back_up_continuously(place, every)?)
}

fn open(args: &PlaceArgs, settings: &Settings) -> Result<Place> {
    let credentials = args.store_credentials.as_deref();
    reached(&args.place, &args.store_config, credentials, settings)
}

fn reached(
    place: &str,
    config: &Option<String>,
    credentials: Option<&Path>,
    settings: &Settings,
) -> Result<Place> {
    let credentials = credentials.map(|file| {
        std::fs::read_to_string(file)
            .map_err(|why| Error::Config(format!("cannot read {}: {why}", file.display())))
    });
    let endpoint = std::env::var(ENDPOINT).ok().filter(|url| !url.is_empty());
    let from_environment = || Some(format!("{{\"endpoint_url\": {:?}}}", endpoint?));
    let access = Access {
        config: config.clone().or_else(from_environment),
        credentials: credentials.transpose()?,
        reach: reach(settings),
    };
    Ok(backup::open_place(place, &access)?)
}

pub(super) async fn list(settings: &Settings, args: BackupsArgs) -> Result<()> {
    let place = open(&args.place, settings)?;
    if let Some(keep) = args.keep {
        let pruned = backup::prune_old(place.clone(), keep as usize, args.force).await?;
        for id in &pruned.backups {
            say(&format!("removed {id}"));
        }
        say(&format!(
            "{} files removed, {} bytes",
            pruned.files, pruned.bytes
        ));
    }
    let listed = backup::list(&place).await?;
    say("backup\tof\tfiles\tbytes\tsequence\tmoment");
    for one in listed {
        say(&match one.state {
            Ok((header, files, bytes)) => format!(
                "{}\t{}\t{files}\t{bytes}\t{}\t{}",
                one.id,
                header.title,
                header.sequence,
                shown(header.moment)
            ),
            Err(why) => format!("{}\t{why}", one.id),
        });
    }
    Ok(())
}

pub(super) async fn restore(settings: &Settings, args: RestoreArgs) -> Result<()> {
    let place = open(&args.place, settings)?;
    let dir = std::path::absolute(&settings.data_dir).unwrap_or(settings.data_dir.clone());
    let choice = match args.backup {
        Some(id) => Choice::Id(id),
        None => Choice::Newest {
            of: args.of,
            at: args.at,
        },
    };
    let began = Instant::now();
    let restored = backup::restore(place, choice, &dir, Default::default()).await?;
    // Proves that it opens, and makes the key files, which backups leave out.
    let (options, opened) = (engine_options(settings), dir.clone());
    let opening = tokio::task::spawn_blocking(move || Engine::open_with(opened, options).map(drop));
    opening
        .await
        .map_err(|why| Error::Server(why.to_string()))??;
    let header = &restored.header;
    say(&format!(
        "Restored backup {} of {} into {}: {} files, {} bytes in {:.1} s.\nIts last commit is {} of {}.\n\n\
         Serve it with:\n\n    storno --data-dir {}",
        header.id,
        header.title,
        dir.display(),
        restored.files,
        restored.bytes,
        began.elapsed().as_secs_f64(),
        header.sequence,
        shown(header.moment),
        dir.display(),
    ));
    Ok(())
}

fn shown(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Micros, true)
}
