//! The thin host: what really goes over the wire, byte by byte, and what each answer means.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "host")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use client_core::http::{OsRandom, Server};
use client_core::sync::{Failure, Transport};
use client_core::{Error, Location, Store};

/// Answers one request on a fresh port; gives the port and, later, the request.
fn answering(answer: Vec<u8>) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let read = stream.read(&mut buffer).unwrap();
            request.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&request).to_lowercase();
            if let Some(end) = text.find("\r\n\r\n") {
                let length = text
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:"))
                    .and_then(|length| length.trim().parse::<usize>().ok())
                    .unwrap_or(0);
                if request.len() >= end + 4 + length {
                    break;
                }
            }
        }
        stream.write_all(&answer).unwrap();
        request
    });
    (address, thread)
}

fn response(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

#[test]
fn the_head_of_a_sync_is_as_lean_as_it_gets() {
    let (address, thread) = answering(response("200 OK", "", b"abc"));
    let body = vec![7; 93];
    assert_eq!(Server::new(&address).exchange(&body), Ok(b"abc".to_vec()));
    let request = thread.join().unwrap();
    let head = request.len() - body.len();
    println!("{}", String::from_utf8_lossy(&request[..head]));
    println!("request head: {head} bytes");
    assert!(request.ends_with(&body));
    assert!(head <= 90, "{head}");
}

#[test]
fn every_status_says_what_the_phone_should_do() {
    for (status, headers, expected) in [
        ("401 Unauthorized", "", Failure::SignIn),
        ("413 Payload Too Large", "", Failure::TooLarge),
        ("426 Upgrade Required", "", Failure::UpdateNeeded),
        ("429 Too Many Requests", "retry-after: 7\r\n", Failure::Busy { retry_after_ms: 7_000 }),
        ("503 Service Unavailable", "", Failure::Busy { retry_after_ms: 0 }),
        ("507 Insufficient Storage", "", Failure::ServerFull),
        ("500 Internal Server Error", "", Failure::Status(500)),
    ] {
        let (address, thread) = answering(response(status, headers, b"{}"));
        assert_eq!(Server::new(&address).exchange(&[1]), Err(expected), "{status}");
        thread.join().unwrap();
    }
    assert_eq!(Server::new("http://127.0.0.1:1").exchange(&[1]), Err(Failure::Network));
}

#[test]
fn an_answer_that_breaks_off_is_given_as_far_as_it_came() {
    let (address, thread) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789".to_vec());
    assert_eq!(Server::new(&address).exchange(&[1]), Ok(b"0123456789".to_vec()));
    thread.join().unwrap();
}

#[test]
fn an_enrolment_sends_the_public_key_and_keeps_what_it_is_given() {
    let body = br#"{"user_id":"018f0000-0000-7000-8000-000000000001","display_name":"V\u00e0ng Th\u1ecb M\u1ef7",
        "device_id":"018f0000-0000-7000-8000-000000000002","session_id":"18446744073709551615",
        "sync_key":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=","refresh_token":"r","access_token":"a"}"#;
    let (address, thread) = answering(response("200 OK", "content-type: application/json\r\n", body));
    let mut store = Store::open(Location::Memory, None).unwrap();
    Server::new(&address).enrol(&mut store, &mut OsRandom, "123456", "máy thử").unwrap();
    let request = String::from_utf8(thread.join().unwrap()).unwrap();
    assert!(request.starts_with("POST /api/v1/auth/enrol "), "{request}");
    assert!(request.contains("\"code\":\"123456\"") && request.contains("\"device_label\":\"máy thử\""));
    let identity = store.identity().unwrap().unwrap();
    assert_eq!((identity.display_name.as_str(), identity.server.as_deref()), ("Vàng Thị Mỷ", Some(address.as_str())));
    assert_eq!(store.tokens().unwrap(), ("a".to_owned(), "r".to_owned()));
}

#[test]
fn a_refused_enrolment_brings_the_servers_code_and_words() {
    let body = r#"{"type":"about:blank","code":"code_unknown","detail_vi":"Mã không đúng.","detail_en":"Wrong code."}"#;
    let (address, thread) = answering(response("400 Bad Request", "", body.as_bytes()));
    let mut store = Store::open(Location::Memory, None).unwrap();
    let error = Server::new(&address).enrol(&mut store, &mut OsRandom, "0", "m").unwrap_err();
    thread.join().unwrap();
    assert_eq!(
        (error.code(), error.vi().as_str(), error.en().as_str()),
        ("code_unknown", "Mã không đúng.", "Wrong code.")
    );
    assert!(matches!(error, Error::Server { status: 400, .. }));
    assert!(store.identity().unwrap().is_none());
}
