//! Figures of a village or commune, worked out from the rows that the phone holds: the same rules on the same rows as
//! the server's.

use sync_protocol::calendar::{CutOff, Period as Span};
use sync_protocol::ids::*;
use sync_protocol::indicator::*;
use sync_protocol::row::{Register, Row, RowType};

use super::index::Side;
use super::{Db, Store};
use crate::error::{Error, Result};

/// The figures of a unit for a period, as far as this phone knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FigureSheet {
    /// First and last day.
    pub period: Period,
    /// The server's clock, in ms, at the last complete answer. 0 before the first.
    pub consistent_at_ms: u64,
    /// The figures.
    pub sheet: Sheet,
}

/// From which rows figures are worked out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowsOf {
    /// What this phone shows, with what it has not sent yet.
    Phone,
    /// What the server had at the last complete answer.
    Server,
}

impl From<RowsOf> for Side {
    fn from(rows: RowsOf) -> Self {
        match rows {
            RowsOf::Phone => Self::Visible,
            RowsOf::Server => Self::Base,
        }
    }
}

impl Store {
    /// Works out the figures of a unit. [`Error::NotFound`] when the phone does not know the unit.
    pub fn figures(&mut self, unit: UnitId, span: Span, view: View, rows: RowsOf) -> Result<FigureSheet> {
        let (from, to) = span.days(CutOff::default()).ok_or(Error::NotFound)?;
        let period = Period { from, to };
        self.read(|db| {
            let side = Side::from(rows);
            let mut units = Vec::new();
            for id in db.ids_of_type(RowType::UNIT)? {
                units.extend(db.register_of(RowType::UNIT, id, side)?.map(|(_, register)| register));
            }
            let scope = Scope::of_units(unit, &units, to).ok_or(Error::NotFound)?;
            let facts = db.facts(&scope, side)?;
            let communes = scope.communes(&units, to);
            let open = takes_changes(&communes, span, |id| {
                Ok::<_, Error>(db.register_of(RowType::PERIOD, id, side)?.map(|(_, register)| register))
            })?;
            let situation = Situation { scope: &scope, period, open, view, position: None, targets: &[] };
            let indicators = Indicators::shipped();
            let history = History::of(indicators, &facts, period);
            let sheet = indicators.sheet(&history, &situation);
            Ok(FigureSheet { period, consistent_at_ms: db.link()?.consistent_ms, sheet })
        })
    }
}

impl Db<'_> {
    fn register_of(&mut self, ty: RowType, id: uuid::Uuid, side: Side) -> Result<Option<(ScopeId, Register)>> {
        match side {
            Side::Visible => self.visible_register(ty, id),
            Side::Base => self.base_register(ty, id),
        }
    }

    fn facts(&mut self, scope: &Scope, side: Side) -> Result<Vec<Fact>> {
        let inside: Vec<ScopeId> = scope.units().into_iter().map(ScopeId::from).collect();
        Ok(self.gathered(side, |scope| inside.contains(&scope))?.facts())
    }

    /// The rows on which figures rest, of some scopes.
    pub(super) fn gathered(&mut self, side: Side, inside: impl Fn(ScopeId) -> bool) -> Result<Gathered> {
        let mut gathered = Gathered::default();
        for ty in Gathered::TYPES {
            for id in self.ids_of_type(ty)? {
                let found = if ty.is_event() {
                    let event = match side {
                        Side::Visible => self.visible_event(EventId(id))?,
                        Side::Base => self.base_event(EventId(id))?,
                    };
                    event.map(|(scope, event)| (scope, Row::Event(event)))
                } else {
                    self.register_of(ty, id, side)?.map(|(scope, register)| (scope, Row::Register(register)))
                };
                if let Some((at, row)) = found
                    && inside(at)
                {
                    gathered.add(row);
                }
            }
        }
        Ok(gathered)
    }
}
