//! Tests of the store as a whole, through its public face only.

mod aggregate;
mod alter;
mod bulk;
mod check;
mod contract;
mod crash;
mod damage;
mod deletes;
mod faults;
mod fixture;
mod model;
mod pending;
mod rest;
mod scan;
mod world;
