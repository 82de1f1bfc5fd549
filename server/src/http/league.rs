//! League tables and team scores.

use actix_web::web::{self, Data};
use sync_protocol::ids::TeamId;

use super::App;
use super::error::{HttpError, Refusals};
use super::extract::{Caller, Id, Query};
use crate::reading::league::{LeagueQuery, LeagueView, ScoreQuery, ScoreView};

type Answer<T> = Result<web::Json<T>, HttpError>;

/// Puts units or teams side by side: per head or in percent, equal values share a place, the small and the uncovered apart.
#[utoipa::path(get, path = "/api/v1/league", tag = "reports",
    params(LeagueQuery), responses((status = 200, body = LeagueView), Refusals))]
pub async fn league(app: Data<App>, caller: Caller, query: Query<LeagueQuery>) -> Answer<LeagueView> {
    Ok(web::Json(app.reading.league(caller.user(), query.0).await?))
}

/// Works out a team's score of a month, item by item.
#[utoipa::path(get, path = "/api/v1/teams/{id}/score", tag = "reports",
    params(ScoreQuery, ("id" = Uuid, Path, description = "The team")),
    responses((status = 200, body = ScoreView), Refusals))]
pub async fn score(app: Data<App>, caller: Caller, id: Id, query: Query<ScoreQuery>) -> Answer<ScoreView> {
    Ok(web::Json(app.reading.team_score(caller.user(), TeamId(id.0), query.0).await?))
}
