//! The vocabulary and the rules that phone and server share.
//!
//! No I/O, no clock, no random numbers, no floats in rules: the same inputs give the same bytes on every machine (P19).
//! Where to find what: docs/ARCHITECTURE.md. What travels: docs/PROTOCOL.md.

pub mod access;
pub mod calendar;
pub mod campaign;
pub mod case_flow;
pub mod catalogue;
pub mod cbor;
pub mod count;
pub mod course;
pub mod decide;
pub mod digest;
pub mod entity;
pub mod fold;
pub mod household;
pub mod ids;
pub mod indicator;
pub mod merge;
pub mod museum;
pub mod op;
pub mod outcome;
pub mod phone_number;
pub mod qr;
pub mod quality;
pub mod recognition_flow;
pub mod report;
pub mod rescue;
pub mod row;
pub mod similar;
pub mod team;
pub mod text;
pub mod units;
pub mod value;
pub mod wire;
pub mod workflow;
