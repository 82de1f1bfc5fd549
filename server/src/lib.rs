//! The server: takes ops, keeps the order, shows the officer what was done.
//!
//! Layers: `http → (sync | desk | reading | accounts) → storage`. A handler holds no rule, a rule holds no SQL, a store
//! holds no HTTP status. See docs/ARCHITECTURE.md.

pub mod accounts;
pub mod auth;
pub mod cli;
pub mod config;
pub mod desk;
pub mod export;
pub mod http;
pub mod import;
pub mod keys;
pub mod late;
pub mod principal;
pub mod problem;
pub mod reading;
pub mod reorganisation;
pub mod sample;
pub mod seed;
pub mod shapes;
pub mod startup;
pub mod storage;
pub mod sync;
pub mod units;
pub mod work;
