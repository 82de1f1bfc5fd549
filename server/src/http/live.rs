//! News for open pages: that something has changed, never what.

use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use futures_util::stream;

use super::App;
use super::error::{HttpError, Refusals};
use super::extract::Caller;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(3);
/// Looks after which something is said though nothing has changed, so that a line that died is noticed.
const BEAT: u32 = 10;
/// Looks after which the line ends. The page opens another one and shows anew who it is.
const LOOKS_MAX: u32 = 100;

/// Tells an open page whenever a row has changed in what its reader holds: an event `head` whose data is another one than before.
#[utoipa::path(get, path = "/api/v1/live", tag = "reports",
    responses((status = 200, description = "Server-sent events", content_type = "text/event-stream"), Refusals))]
pub async fn live(app: Data<App>, caller: Caller) -> Result<HttpResponse, HttpError> {
    let by = caller.user();
    let first = app.reading.head(by).await?;
    let said = |head: u64| Bytes::from(format!("event: head\ndata: {head:016x}\n\n"));
    let begin = (app, first, 0u32);
    let news = stream::unfold(begin, move |(app, head, looks)| async move {
        if looks == 0 {
            return Some((Ok::<Bytes, actix_web::Error>(said(head)), (app, head, 1)));
        }
        let mut looks = looks;
        loop {
            tokio::time::sleep(LOOK).await;
            looks += 1;
            if looks > LOOKS_MAX || !app.accepting.load(Ordering::SeqCst) {
                return None;
            }
            let now = app.reading.head(by).await.ok()?;
            if now != head {
                return Some((Ok(said(now)), (app, now, looks)));
            }
            if looks.is_multiple_of(BEAT) {
                return Some((Ok(Bytes::from_static(b":\n\n")), (app, head, looks)));
            }
        }
    });
    Ok(HttpResponse::Ok().content_type("text/event-stream").streaming(news))
}
