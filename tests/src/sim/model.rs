//! The judge: what must be true, told from the ops alone, in the order in which the server took them.
//!
//! It knows who made each op and which ops' effects that person had seen (by name, not by version), and nothing of
//! buckets, cursors, frames, stamps or epochs. From that it says which outcomes are possible and what every row must
//! hold afterwards. A rule written down twice, by different means, is a rule that can be checked.

use std::collections::{BTreeMap, BTreeSet};

use sync_protocol::access::Role;
use sync_protocol::cbor::Raw;
use sync_protocol::count::CountKey;
use sync_protocol::ids::*;
use sync_protocol::outcome::{Outcome, Verdict};
use sync_protocol::row::{GroupKey, RowType};
use sync_protocol::workflow::VisitStatus;
use uuid::Uuid;

/// An op, by the order in which the world's people made them.
pub type OpIx = usize;
/// A row: its type's number and its id.
pub type RowKey = (u8, Uuid);

/// For so long work done under a grant that has ended is taken.
const GRACE_MS: u64 = 30 * 86_400_000;

/// What a person wanted.
#[expect(missing_docs, reason = "the fields are named after what they hold")]
#[derive(Clone, Debug)]
pub enum Wish {
    /// A household is entered.
    Household { scope: ScopeId, groups: BTreeMap<GroupKey, Raw> },
    /// One field group of a household, plan, unit or team is set.
    Set { ty: RowType, id: Uuid, group: GroupKey, value: Raw },
    /// A household goes to another village.
    Move { id: Uuid, to: ScopeId },
    /// A visit is recorded.
    Record { scope: ScopeId, household: Option<Uuid>, plan: Option<Uuid>, submit: bool, said: Said },
    /// A visit is handed in.
    Submit { visit: Uuid },
    /// A visit is corrected.
    Correct { visit: Uuid, submit: bool, said: Said },
    /// A visit is declared void.
    Void { visit: Uuid },
    /// A visit is sent back or approved, by somebody who saw the content of an op.
    Review { visit: Uuid, approve: bool, saw_content: OpIx },
    /// A visit is planned.
    Plan { scope: ScopeId, groups: BTreeMap<GroupKey, Raw> },
    /// A plan is called off.
    Cancel { plan: Uuid },
    /// A case is settled.
    Resolve { case: Uuid, value: Raw },
    /// An op of a newer app.
    Unknown,
    /// Bytes that are no op.
    Garbage,
}

/// What a visit said, as far as it is counted: village, month, team, kinds and outcomes.
#[derive(Clone, Debug)]
pub struct Said {
    /// Cells without their status.
    pub cells: Vec<CountKey>,
}

/// An op and its circumstances.
#[derive(Clone, Debug)]
pub struct Made {
    /// What names it; unknown for what the desk made.
    pub uid: Option<OpUid>,
    /// The id of the row or event that it makes.
    pub row: Uuid,
    /// Whose hand.
    pub by: UserId,
    /// The revision of the person's grants that their device knew.
    pub rev: u64,
    /// What was wanted.
    pub wish: Wish,
    /// Ops on the row whose effects the person had seen.
    pub saw: BTreeSet<OpIx>,
    /// Ops that the same file had made before.
    pub past: BTreeSet<OpIx>,
    /// By an officer at the desk.
    pub at_desk: bool,
}

impl Made {
    fn knows(&self, op: &OpIx) -> bool {
        self.saw.contains(op) || self.past.contains(op)
    }
}

/// A field group.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it says.
    pub value: Raw,
    /// Who said so, independently of each other; nobody for what was there at the beginning.
    pub writers: BTreeSet<OpIx>,
    /// The open case about it.
    pub case: Option<Uuid>,
}

/// A household, plan, unit or team.
#[derive(Clone, Debug)]
pub struct Register {
    /// Where it is.
    pub scope: ScopeId,
    /// What it says.
    pub groups: BTreeMap<GroupKey, Group>,
    /// Plans: `planned`, `done`, `cancelled`.
    pub status: &'static str,
}

/// A visit.
#[derive(Clone, Debug)]
pub struct Visit {
    /// Where it was made; it stays there.
    pub scope: ScopeId,
    /// How it stands.
    pub status: VisitStatus,
    /// Which op moved the status last.
    pub status_writer: OpIx,
    /// The op that holds its content: who said so.
    pub content: OpIx,
    /// Who set the content, independently of each other.
    pub writers: BTreeSet<OpIx>,
    /// Declared void.
    pub void: bool,
    /// The open case about its content.
    pub case: Option<Uuid>,
}

/// A side of a case: a value, or the op that holds the content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Side {
    /// A field group's value.
    Value(Raw),
    /// A visit's content.
    Content(OpIx),
}

/// A conflict case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where.
    pub scope: ScopeId,
    /// About which row and group.
    pub about: (RowKey, GroupKey),
    /// What people said.
    pub sides: Vec<Side>,
    /// Ops that opened or joined it.
    pub contributors: BTreeSet<OpIx>,
    /// Still to be settled.
    pub open: bool,
}

/// A role given.
#[derive(Clone, Debug)]
pub struct GrantGiven {
    /// Which.
    pub id: GrantId,
    /// To whom.
    pub user: UserId,
    /// What.
    pub role: Role,
    /// For which unit.
    pub unit: UnitId,
    /// The revision that ended it, and when.
    pub ended: Option<(u64, u64)>,
}

/// What became of an op.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decided {
    /// Which way.
    pub verdict: Verdict,
    /// Why.
    pub code: Option<String>,
}

/// The world as it must be.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Households, plans, units, teams.
    pub registers: BTreeMap<RowKey, Register>,
    /// Visits.
    pub visits: BTreeMap<Uuid, Visit>,
    /// Cases.
    pub cases: BTreeMap<Uuid, Case>,
    /// Roles.
    pub grants: Vec<GrantGiven>,
    /// Revision of each user's grants.
    pub revs: BTreeMap<UserId, u64>,
    /// The commune of each village.
    pub parents: BTreeMap<ScopeId, ScopeId>,
    /// Closed reporting months.
    pub closed: BTreeSet<(ScopeId, Month)>,
    /// What became of each op.
    pub decided: BTreeMap<OpIx, Decided>,
    /// Per row the ops that changed it, in the server's order.
    pub history: BTreeMap<RowKey, Vec<OpIx>>,
    /// Per outbox how many of its ops were looked at.
    pub looked: BTreeMap<Epoch, u64>,
    /// Extra cases are possible: versions start anew after a restore, and pasts are not proven.
    pub inexact: bool,
    /// Cases that were opened.
    pub opened: u64,
}

/// Which rows an op touched; their versions are read once the request is through.
pub type Touched = BTreeSet<RowKey>;

fn household(id: Uuid) -> RowKey {
    (RowType::HOUSEHOLD.0, id)
}
fn plan(id: Uuid) -> RowKey {
    (RowType::PLAN.0, id)
}

impl Model {
    /// The roles that somebody has in a place now.
    pub fn roles(&self, user: UserId, scope: ScopeId) -> Vec<Role> {
        let commune = self.parents.get(&scope);
        let here = |grant: &&GrantGiven| {
            let unit = ScopeId::from(grant.unit);
            grant.user == user && grant.ended.is_none() && (unit == scope || Some(&unit) == commune)
        };
        self.grants.iter().filter(here).map(|grant| grant.role).collect()
    }

    /// The places whose rows somebody may read now.
    pub fn readable(&self, user: UserId) -> BTreeSet<ScopeId> {
        let reads = |grant: &&GrantGiven| grant.user == user && grant.ended.is_none() && grant.role.reads_rows();
        let mut scopes = BTreeSet::new();
        for grant in self.grants.iter().filter(reads) {
            let unit = ScopeId::from(grant.unit);
            scopes.insert(unit);
            scopes.extend(self.parents.iter().filter(|(_, commune)| **commune == unit).map(|(village, _)| *village));
        }
        scopes
    }

    /// The places above these, whose notices may be read by whoever reads rows of these.
    pub fn above(&self, scopes: &BTreeSet<ScopeId>) -> BTreeSet<ScopeId> {
        scopes.iter().filter_map(|scope| self.parents.get(scope)).copied().collect()
    }

    /// Whether honest work from before a grant ended is still taken.
    fn late(&self, user: UserId, scope: ScopeId, rev: u64, now: u64) -> bool {
        let team = |grant: &GrantGiven| matches!(grant.role, Role::Member | Role::TeamLeader);
        self.grants.iter().any(|grant| {
            let ended = grant.ended.is_some_and(|(end, at)| rev < end && now <= at + GRACE_MS);
            grant.user == user && ScopeId::from(grant.unit) == scope && team(grant) && ended
        })
    }

    fn may(&self, made: &Made, scope: ScopeId, now: u64, roles: &[Role], field_work: bool) -> bool {
        self.roles(made.by, scope).iter().any(|role| roles.contains(role))
            || (field_work && !made.at_desk && self.late(made.by, scope, made.rev, now))
    }

    /// Where the row of a wish is, and who may do it there: roles, and whether grace applies.
    fn needs(&self, wish: &Wish) -> Option<(ScopeId, &'static [Role], bool)> {
        use Role::*;
        const TEAM: &[Role] = &[Member, TeamLeader];
        const LEAD: &[Role] = &[TeamLeader, CommuneOfficer];
        const ALL: &[Role] = &[Member, TeamLeader, CommuneOfficer];
        let visit = |id: &Uuid| self.visits.get(id).map(|visit| visit.scope);
        Some(match wish {
            Wish::Household { scope, .. } | Wish::Record { scope, .. } | Wish::Plan { scope, .. } => {
                (*scope, TEAM, true)
            }
            Wish::Set { ty: RowType::UNIT | RowType::TEAM, .. } => return None,
            Wish::Set { ty, id, .. } => (self.registers.get(&(ty.0, *id))?.scope, TEAM, true),
            Wish::Move { id, .. } => (self.registers.get(&household(*id))?.scope, LEAD, false),
            Wish::Submit { visit: id } | Wish::Correct { visit: id, .. } => (visit(id)?, TEAM, true),
            Wish::Void { visit: id } => (visit(id)?, ALL, true),
            Wish::Review { visit: id, approve, .. } => {
                (visit(id)?, if *approve { &[CommuneOfficer] } else { LEAD }, false)
            }
            Wish::Cancel { plan: id } => (self.registers.get(&plan(*id))?.scope, TEAM, true),
            Wish::Resolve { case, .. } => (self.cases.get(case)?.scope, LEAD, false),
            Wish::Unknown | Wish::Garbage => return None,
        })
    }

    /// Takes the next op in the server's order. Says what is wrong with its outcome, if anything.
    pub fn take(&mut self, ix: OpIx, all: &[Made], outcome: &Outcome, now: u64) -> Result<Touched, String> {
        let made = &all[ix];
        let decided = Decided { verdict: outcome.verdict, code: outcome.code.clone() };
        if let Some(before) = self.decided.get(&ix) {
            let waited = before.verdict == Verdict::Deferred;
            if waited || *before == decided {
                if waited && decided.verdict != Verdict::Deferred {
                    self.decided.insert(ix, decided);
                    if matches!(outcome.verdict, Verdict::Applied | Verdict::AppliedWithCase) {
                        return self.apply(ix, all, outcome, now);
                    }
                }
                return Ok(Touched::new());
            }
            return Err(format!("P2: op {ix} had {before:?} and has {decided:?} now"));
        }
        self.decided.insert(ix, decided);
        match outcome.verdict {
            Verdict::Applied | Verdict::AppliedWithCase => self.apply(ix, all, outcome, now),
            Verdict::Deferred => match (outcome.code.as_deref(), &made.wish) {
                (Some("needs_server_update"), Wish::Unknown) | (Some("device_revoked"), _) => Ok(Touched::new()),
                (Some("needs_server_update"), Wish::Submit { .. } | Wish::Correct { .. } | Wish::Void { .. }) => {
                    Ok(Touched::new())
                }
                (code, wish) => Err(format!("P1: op {ix} {wish:?} waits for {code:?}")),
            },
            Verdict::Rejected => {
                let code = outcome.code.as_deref().unwrap_or("");
                let field = outcome.field.as_deref().unwrap_or("");
                if self.is_fair(made, all, code, field, now) {
                    Ok(Touched::new())
                } else {
                    Err(format!("P1: op {ix} was refused without cause: {code} {field} {:?}", made.wish))
                }
            }
        }
    }

    /// Whether a refusal has a reason that a person would accept.
    fn is_fair(&self, made: &Made, all: &[Made], code: &str, field: &str, now: u64) -> bool {
        if matches!(made.wish, Wish::Garbage) {
            return true;
        }
        let needs = self.needs(&made.wish);
        let allowed = needs.is_some_and(|(scope, roles, grace)| self.may(made, scope, now, roles, grace));
        let elsewhere = match &made.wish {
            Wish::Move { to, .. } => !self.may(made, *to, now, &[Role::TeamLeader, Role::CommuneOfficer], false),
            Wish::Resolve { case, .. } => self.cases.get(case).is_some_and(|case| {
                let scope = self.scope_of(&case.about.0);
                scope.is_none_or(|scope| !self.may(made, scope, now, &[Role::TeamLeader, Role::CommuneOfficer], false))
            }),
            _ => false,
        };
        let visit = match &made.wish {
            Wish::Submit { visit }
            | Wish::Correct { visit, .. }
            | Wish::Void { visit }
            | Wish::Review { visit, .. } => self.visits.get(visit),
            _ => None,
        };
        match code {
            "not_found" if field == "household" => match &made.wish {
                // A restore may have taken back the move that brought it.
                Wish::Record { household: Some(id), scope, .. } => {
                    let row = self.registers.get(&household(*id));
                    row.is_none_or(|row| self.inexact && row.scope != *scope)
                }
                _ => true,
            },
            "not_found" if field == "plan" => match &made.wish {
                Wish::Record { plan: Some(id), scope, .. } => {
                    self.registers.get(&plan(*id)).is_none_or(|plan| plan.scope != *scope)
                }
                _ => false,
            },
            "not_allowed" if matches!(made.wish, Wish::Review { approve: false, .. }) => {
                // An approval is taken back by the commune alone.
                !allowed || visit.is_some_and(|v| v.status == VisitStatus::Approved)
            }
            "not_found" | "not_allowed" | "grant_ended" | "moved_away" => !allowed || elsewhere,
            "wrong_state" => match &made.wish {
                Wish::Move { id, to } => self.registers.get(&household(*id)).is_some_and(|row| row.scope == *to),
                Wish::Cancel { plan: id } => self.registers.get(&plan(*id)).is_some_and(|row| row.status != "planned"),
                Wish::Submit { .. } => visit.is_some_and(|v| v.void || v.status != VisitStatus::Done),
                Wish::Correct { .. } => visit.is_some_and(|v| {
                    v.void
                        || (!matches!(v.status, VisitStatus::Done | VisitStatus::Returned)
                            && (made.knows(&v.status_writer) || self.inexact))
                }),
                Wish::Void { .. } => visit.is_some_and(|v| {
                    let officer = self.roles(made.by, v.scope).contains(&Role::CommuneOfficer);
                    let before = matches!(v.status, VisitStatus::Done | VisitStatus::Returned);
                    v.void || !(before || (v.status == VisitStatus::Submitted && officer))
                }),
                Wish::Review { approve, .. } => visit.is_some_and(|v| {
                    let right = v.status == VisitStatus::Submitted || (!approve && v.status == VisitStatus::Approved);
                    v.void || !right
                }),
                _ => false,
            },
            "content_changed" => match &made.wish {
                Wish::Review { saw_content, .. } => visit.is_some_and(|v| v.content != *saw_content),
                Wish::Resolve { case, .. } => self
                    .cases
                    .get(case)
                    .is_some_and(|case| self.inexact || case.contributors.iter().any(|op| !made.knows(op))),
                _ => false,
            },
            "own_visit" => match &made.wish {
                Wish::Review { visit: id, .. } => visit.is_some_and(|v| {
                    let recorder = self.history.get(&(RowType::VISIT_STATE.0, *id)).and_then(|ops| ops.first());
                    recorder.is_some_and(|op| all[*op].by == made.by) || all[v.content].by == made.by
                }),
                _ => false,
            },
            "case_open" => {
                matches!(&made.wish, Wish::Review { approve: true, .. }) && visit.is_some_and(|v| v.case.is_some())
            }
            "already_resolved" => match &made.wish {
                Wish::Resolve { case, .. } => self.cases.get(case).is_some_and(|case| !case.open),
                _ => false,
            },
            "bad_value" => match (&made.wish, field) {
                // A visit stays where it was made.
                (Wish::Resolve { case, .. }, "value") => {
                    self.cases.get(case).is_some_and(|case| case.about.0.0 == RowType::VISIT_STATE.0)
                }
                _ => false,
            },
            "period_closed" => true,
            _ => false,
        }
    }

    /// Where a row is.
    pub fn scope_of(&self, row: &RowKey) -> Option<ScopeId> {
        match RowType(row.0) {
            RowType::CASE => self.cases.get(&row.1).map(|case| case.scope),
            RowType::VISIT_STATE | RowType::VISIT_RECORDED => self.visits.get(&row.1).map(|visit| visit.scope),
            _ => self.registers.get(row).map(|register| register.scope),
        }
    }

    fn apply(&mut self, ix: OpIx, all: &[Made], outcome: &Outcome, now: u64) -> Result<Touched, String> {
        let made = &all[ix];
        let mut touched = Touched::new();
        let needs = self.needs(&made.wish);
        let exists = needs.is_some();
        if let Some((scope, roles, grace)) = needs
            && !self.may(made, scope, now, roles, grace)
        {
            return Err(format!("P10: op {ix} acts in a place that its author does not hold: {:?}", made.wish));
        }
        let gone = |what: &str| format!("P2: op {ix} was applied to a {what} that is not there");
        match made.wish.clone() {
            Wish::Household { scope, groups } => {
                let groups = fresh(groups, ix);
                let known = self.registers.insert(household(made.row), Register { scope, groups, status: "" });
                if known.is_some() {
                    return Err(format!("P2: household {} was entered twice", made.row));
                }
                self.changed(&mut touched, household(made.row), ix);
            }
            Wish::Plan { scope, groups } => {
                let groups = fresh(groups, ix);
                let known = self.registers.insert(plan(made.row), Register { scope, groups, status: "planned" });
                if known.is_some() {
                    return Err(format!("P2: plan {} was entered twice", made.row));
                }
                self.changed(&mut touched, plan(made.row), ix);
            }
            Wish::Set { ty, id, group, value } => {
                self.set(ix, made, (ty.0, id), group, value, outcome, &mut touched)?
            }
            Wish::Move { id, to } => {
                let key = household(id);
                let register = self.registers.get_mut(&key).ok_or_else(|| gone("household"))?;
                let from = std::mem::replace(&mut register.scope, to);
                let open: Vec<Uuid> = register.groups.values().filter_map(|group| group.case).collect();
                for id in open {
                    if let Some(case) = self.cases.get_mut(&id)
                        && case.scope == from
                    {
                        case.scope = to;
                        self.changed(&mut touched, (RowType::CASE.0, id), ix);
                    }
                }
                self.changed(&mut touched, key, ix);
            }
            Wish::Cancel { plan: id } => {
                let register = self.registers.get_mut(&plan(id)).ok_or_else(|| gone("plan"))?;
                if register.status != "planned" {
                    return Err(format!("P2: plan {id} was called off in state {}", register.status));
                }
                register.status = "cancelled";
                self.changed(&mut touched, plan(id), ix);
            }
            Wish::Record { scope, plan: planned, submit, .. } => {
                let status = if submit { VisitStatus::Submitted } else { VisitStatus::Done };
                let visit = Visit {
                    scope,
                    status,
                    status_writer: ix,
                    content: ix,
                    writers: BTreeSet::from([ix]),
                    void: false,
                    case: None,
                };
                if self.visits.insert(made.row, visit).is_some() {
                    return Err(format!("P2: visit {} was recorded twice", made.row));
                }
                self.changed(&mut touched, (RowType::VISIT_STATE.0, made.row), ix);
                if let Some(id) = planned {
                    let register = self.registers.get_mut(&plan(id)).ok_or_else(|| gone("plan"))?;
                    if register.status == "planned" {
                        register.status = "done";
                        self.changed(&mut touched, plan(id), ix);
                    }
                }
            }
            Wish::Submit { visit: id } => {
                let visit = self.visits.get_mut(&id).ok_or_else(|| gone("visit"))?;
                if visit.void || visit.status != VisitStatus::Done {
                    return Err(format!("P2: visit {id} was handed in from {:?}", visit.status));
                }
                (visit.status, visit.status_writer) = (VisitStatus::Submitted, ix);
                self.changed(&mut touched, (RowType::VISIT_STATE.0, id), ix);
            }
            Wish::Correct { visit: id, submit, .. } => self.correct(ix, made, id, submit, outcome, &mut touched)?,
            Wish::Void { visit: id } => {
                let visit = self.visits.get_mut(&id).ok_or_else(|| gone("visit"))?;
                if visit.void {
                    return Err(format!("P2: visit {id} was voided twice"));
                }
                visit.void = true;
                visit.writers = BTreeSet::from([ix]);
                self.changed(&mut touched, (RowType::VISIT_STATE.0, id), ix);
            }
            Wish::Review { visit: id, approve, saw_content } => {
                let visit = self.visits.get_mut(&id).ok_or_else(|| gone("visit"))?;
                if visit.content != saw_content {
                    return Err(format!("P7: visit {id} was reviewed for content that its reviewer did not see"));
                }
                let from_submitted = visit.status == VisitStatus::Submitted;
                if visit.void
                    || !(from_submitted || (!approve && visit.status == VisitStatus::Approved))
                    || (approve && visit.case.is_some())
                {
                    return Err(format!("P2: visit {id} was reviewed in state {:?}", visit.status));
                }
                visit.status = if approve { VisitStatus::Approved } else { VisitStatus::Returned };
                visit.status_writer = ix;
                self.changed(&mut touched, (RowType::VISIT_STATE.0, id), ix);
            }
            Wish::Resolve { case, value } => self.resolve(ix, all, case, value, &mut touched)?,
            Wish::Unknown | Wish::Garbage => return Err(format!("P12: op {ix} is unreadable and was applied")),
        }
        if !exists && !matches!(made.wish, Wish::Set { .. }) {
            return Err(gone("row"));
        }
        Ok(touched)
    }

    fn changed(&mut self, touched: &mut Touched, row: RowKey, ix: OpIx) {
        self.history.entry(row).or_default().push(ix);
        touched.insert(row);
    }

    #[allow(clippy::too_many_arguments)]
    fn set(
        &mut self,
        ix: OpIx,
        made: &Made,
        row: RowKey,
        key: GroupKey,
        value: Raw,
        outcome: &Outcome,
        touched: &mut Touched,
    ) -> Result<(), String> {
        let register =
            self.registers.get_mut(&row).ok_or_else(|| format!("P2: op {ix} set a row that is not there"))?;
        let scope = register.scope;
        let said_case = outcome.verdict == Verdict::AppliedWithCase;
        let Some(group) = register.groups.get_mut(&key) else {
            register.groups.insert(key, Group { value, writers: BTreeSet::from([ix]), case: None });
            self.changed(touched, row, ix);
            return Ok(());
        };
        let before = group.clone();
        let unseen = group.writers.iter().any(|writer| !made.knows(writer));
        let agrees = group.value == value && group.writers.len() < 4;
        let guarded = sync_protocol::entity::is_guarded(RowType(row.0), key);
        let must_clash = unseen && !agrees;
        let clash = must_clash || (self.inexact && said_case && before.case.is_none());
        if clash {
            if !said_case {
                return Err(format!("P11: op {ix} overwrote {row:?}/{key} unseen and no case was opened"));
            }
            if !guarded {
                (group.value, group.writers) = (value.clone(), BTreeSet::from([ix]));
            }
        } else if unseen {
            group.writers.insert(ix);
        } else if !(self.inexact && guarded && said_case) {
            (group.value, group.writers) = (value.clone(), BTreeSet::from([ix]));
        }
        // Where it is not known whether a guarded value gave way to the op before, this one may say the same again.
        let joins = before.case.is_some() && before.value != value;
        if (clash || joins) && said_case {
            let id = outcome.case.map(|case| case.0).ok_or_else(|| format!("P11: op {ix} names no case"))?;
            if let Some(open) = before.case
                && open != id
            {
                return Err(format!("P11: op {ix} opened a second case about {row:?}/{key}"));
            }
            if let Some(group) = self.registers.get_mut(&row).and_then(|register| register.groups.get_mut(&key)) {
                group.case = Some(id);
            }
            self.dispute(ix, id, scope, (row, key), Side::Value(before.value), Side::Value(value), touched);
        } else if said_case && !self.inexact {
            return Err(format!("P11: op {ix} opened a case about {row:?}/{key}, and nobody disagreed"));
        } else if joins && !(self.inexact && guarded) {
            return Err(format!("P11: op {ix} gave another answer while a case was open, and did not join it"));
        }
        self.changed(touched, row, ix);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn dispute(
        &mut self,
        ix: OpIx,
        id: Uuid,
        scope: ScopeId,
        about: (RowKey, GroupKey),
        held: Side,
        said: Side,
        touched: &mut Touched,
    ) {
        let opened = &mut self.opened;
        let case = self.cases.entry(id).or_insert_with(|| {
            *opened += 1;
            Case { scope, about, sides: Vec::new(), contributors: BTreeSet::new(), open: true }
        });
        if !case.sides.contains(&held) {
            case.sides.push(held);
        }
        case.sides.push(said);
        case.contributors.insert(ix);
        self.changed(touched, (RowType::CASE.0, id), ix);
    }

    fn correct(
        &mut self,
        ix: OpIx,
        made: &Made,
        id: Uuid,
        submit: bool,
        outcome: &Outcome,
        touched: &mut Touched,
    ) -> Result<(), String> {
        let inexact = self.inexact;
        let visit =
            self.visits.get_mut(&id).ok_or_else(|| format!("P2: op {ix} corrects a visit that is not there"))?;
        if visit.void {
            return Err(format!("P2: visit {id} is void and was corrected"));
        }
        let scope = visit.scope;
        let said_case = outcome.verdict == Verdict::AppliedWithCase;
        let unseen = visit.writers.iter().any(|writer| !made.knows(writer));
        let open = matches!(visit.status, VisitStatus::Done | VisitStatus::Returned);
        if !open && made.knows(&visit.status_writer) && !inexact {
            return Err(format!("P7: visit {id} was in review, its author knew, and it was corrected"));
        }
        let (held, held_case) = (visit.content, visit.case);
        let clash = unseen || !open || (inexact && said_case && held_case.is_none());
        if clash && !said_case {
            return Err(format!("P11: op {ix} corrected visit {id} unseen and no case was opened"));
        }
        if !clash && said_case && held_case.is_none() {
            return Err(format!("P11: op {ix} opened a case about visit {id}, and nobody disagreed"));
        }
        if open {
            (visit.content, visit.writers) = (ix, BTreeSet::from([ix]));
            let status = if submit { VisitStatus::Submitted } else { VisitStatus::Done };
            if status != visit.status {
                (visit.status, visit.status_writer) = (status, ix);
            }
        }
        if clash || held_case.is_some() {
            let case = outcome.case.map(|case| case.0).ok_or_else(|| format!("P11: op {ix} names no case"))?;
            if held_case.is_some_and(|held| held != case) {
                return Err(format!("P11: op {ix} opened a second case about visit {id}"));
            }
            visit.case = Some(case);
            let about = ((RowType::VISIT_STATE.0, id), sync_protocol::entity::visit_state::CONTENT);
            self.dispute(ix, case, scope, about, Side::Content(held), Side::Content(ix), touched);
        }
        self.changed(touched, (RowType::VISIT_STATE.0, id), ix);
        Ok(())
    }

    fn resolve(&mut self, ix: OpIx, all: &[Made], id: Uuid, value: Raw, touched: &mut Touched) -> Result<(), String> {
        let made = &all[ix];
        let case = self.cases.get_mut(&id).ok_or_else(|| format!("P2: op {ix} settles a case that is not there"))?;
        if !case.open {
            return Err(format!("P11: case {id} was settled twice"));
        }
        if let Some(op) = case.contributors.iter().find(|op| !made.knows(op))
            && !self.inexact
        {
            return Err(format!("P11: case {id} was settled by somebody who had not seen op {op}"));
        }
        case.open = false;
        let (row, key) = case.about;
        if row.0 == RowType::VISIT_STATE.0 {
            let visit = self.visits.get_mut(&row.1).ok_or_else(|| format!("P2: case {id} is about no visit"))?;
            let chosen = content_of(&value).and_then(|event| {
                let sides = case.sides.iter().filter_map(|side| match side {
                    Side::Content(op) => Some(*op),
                    Side::Value(_) => None,
                });
                sides.into_iter().find(|op| all[*op].row == event)
            });
            let chosen = chosen.ok_or_else(|| format!("P11: case {id} was settled by something that nobody said"))?;
            if visit.status == VisitStatus::Approved && visit.content != chosen {
                (visit.status, visit.status_writer) = (VisitStatus::Submitted, ix);
            }
            (visit.content, visit.writers, visit.case) = (chosen, BTreeSet::from([ix]), None);
        } else {
            let register = self.registers.get_mut(&row).ok_or_else(|| format!("P2: case {id} is about no row"))?;
            register.groups.insert(key, Group { value, writers: BTreeSet::from([ix]), case: None });
        }
        self.changed(touched, row, ix);
        self.changed(touched, (RowType::CASE.0, id), ix);
        Ok(())
    }

    /// What must be counted: cells with how often.
    pub fn counts(&self, all: &[Made]) -> BTreeMap<CountKey, u64> {
        let mut counts = BTreeMap::new();
        for visit in self.visits.values().filter(|visit| !visit.void) {
            let said = match &all[visit.content].wish {
                Wish::Record { said, .. } | Wish::Correct { said, .. } => said,
                _ => continue,
            };
            for cell in &said.cells {
                *counts.entry(CountKey { status: visit.status, ..cell.clone() }).or_default() += 1;
            }
        }
        counts
    }
}

/// The event that a visit's content pointer names.
fn content_of(value: &Raw) -> Option<Uuid> {
    use sync_protocol::cbor::Cbor;
    sync_protocol::entity::VisitPointer::from_cbor(&value.0).ok().map(|pointer| pointer.event.0)
}

fn fresh(groups: BTreeMap<GroupKey, Raw>, ix: OpIx) -> BTreeMap<GroupKey, Group> {
    let set = |value| Group { value, writers: BTreeSet::from([ix]), case: None };
    groups.into_iter().map(|(key, value)| (key, set(value))).collect()
}
