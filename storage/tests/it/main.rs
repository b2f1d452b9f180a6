//! Tests of the store as a whole, through its public face only.

mod add_key;
mod aggregate;
mod alter;
mod backup;
mod bulk;
mod care;
mod check;
mod contract;
mod crash;
mod damage;
mod deletes;
mod event_world;
mod events;
mod faults;
mod first_events;
mod fixture;
mod folds;
mod model;
mod pending;
mod rest;
mod scan;
mod states;
mod workload;
mod world;
