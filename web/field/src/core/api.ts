// Made from client-core/src/app.rs by `cargo xtask web`; not to be edited.

/**
 * One activity of a form.
 */
export type ActivityForm = { 
/**
 * A kind of the catalogue.
 */
kind: string, 
/**
 * The answers so far, by field code.
 */
fields: Record<string, JsonValue>, 
/**
 * The activity that a correction continues.
 */
id?: string, };

/**
 * One activity inside a visit.
 */
export type ActivityId = string;

/**
 * One activity of a visit.
 */
export type ActivityView = { 
/**
 * Which one.
 */
id: ActivityId, 
/**
 * A kind of the catalogue.
 */
kind: string, 
/**
 * The answers, as `Catalogue::to_json_fields` writes them.
 */
fields: JsonValue, };

/**
 * An announcement.
 */
export type AnnouncementId = string;

/**
 * An announcement in force.
 */
export type AnnouncementView = { 
/**
 * Which one.
 */
id: AnnouncementId, 
/**
 * Who speaks.
 */
unit_name: string, 
/**
 * What it is about.
 */
title: string, 
/**
 * What it says.
 */
body: string, 
/**
 * First day, `YYYY-MM-DD`.
 */
from: string, 
/**
 * Last day.
 */
to: string, };

/**
 * What every screen shows at its top.
 */
export type AppState = { 
/**
 * Who uses this phone; nobody before an enrolment.
 */
identity: Identity | null, 
/**
 * How the talk with the server stands.
 */
sync: SyncState, 
/**
 * Drafts.
 */
drafts: number, 
/**
 * Today in Việt Nam, `YYYY-MM-DD`, by this phone's clock.
 */
day: string, 
/**
 * The reporting month of today, `YYYY-MM`.
 */
month: string, 
/**
 * The store's schema.
 */
schema: number, 
/**
 * The catalogue's version.
 */
catalogue: string, 
/**
 * A made-up village to practise on, not the real one.
 */
practice: boolean, };

/**
 * A business that is entered.
 */
export type BusinessCreateArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The village.
 */
village: string, 
/**
 * Its name.
 */
name: string, 
/**
 * `farm`, `shop`, `stall`, `cooperative`, `craft`.
 */
kind: string, 
/**
 * Whose it is.
 */
household?: string, };

/**
 * One thing, by its id.
 */
export type ById = { 
/**
 * Which one.
 */
id: string, };

/**
 * A campaign.
 */
export type CampaignId = string;

/**
 * What a village did for one kind of a campaign: achieved activities, as this phone shows them, sent or not.
 */
export type CampaignLine = { 
/**
 * The kind of activity.
 */
kind: string, 
/**
 * On the day asked for.
 */
on_day: number, 
/**
 * Since it began, up to that day.
 */
so_far: number, 
/**
 * Day by day, where there were any.
 */
by_day: { [key in string]: number }, 
/**
 * Targets that the village sees, from the top level down: whose, and how many.
 */
targets: Array<[UnitId, number]>, };

/**
 * A campaign that holds for a village.
 */
export type CampaignView = { 
/**
 * Which one.
 */
id: CampaignId, 
/**
 * A code of `campaign::CampaignKind`.
 */
kind: string, 
/**
 * Its title.
 */
title: string, 
/**
 * Its theme.
 */
theme: string | null, 
/**
 * First day, `YYYY-MM-DD`.
 */
from: string, 
/**
 * Last day.
 */
to: string, 
/**
 * The day asked for is one of its days: of a weekly one only some are.
 */
is_campaign_day: boolean, 
/**
 * What counts, with the village's own counts.
 */
lines: Array<CampaignLine>, };

/**
 * Which campaigns.
 */
export type CampaignsArgs = { 
/**
 * The village.
 */
village: string, 
/**
 * `YYYY-MM-DD`; today when left out.
 */
day?: string, };

/**
 * One card to read.
 */
export type CardView = { 
/**
 * Its title.
 */
title: WordsView, 
/**
 * What it says.
 */
text: WordsView, };

/**
 * Something that people must settle: a conflict of two entries, a need, feedback.
 */
export type CaseId = string;

/**
 * One cell of the count.
 */
export type Cell = { 
/**
 * The village.
 */
village: UnitId, 
/**
 * The team.
 */
team: TeamId, 
/**
 * The kind of activity; empty for visits themselves.
 */
kind: string, 
/**
 * The outcome; for visits `done`, `absent`, `refused`.
 */
outcome: string, 
/**
 * The status; a code of the visit workflow.
 */
status: string, 
/**
 * How many this phone shows.
 */
recorded: number, 
/**
 * How many the server has.
 */
confirmed: number, };

/**
 * Milliseconds since 1970-01-01T00:00:00Z, as a device's clock claimed. For people to read; it decides nothing (P15).
 */
export type ClaimedMs = number;

/**
 * A conflict that is settled.
 */
export type ConflictSettleArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, 
/**
 * The version that the person was looking at.
 */
seen_ver: string, 
/**
 * The side that holds, from 0.
 */
side: number, };

/**
 * One answer in a conflict.
 */
export type ConflictSideView = { 
/**
 * The value, for people: a name, a number, a code; the id of its event for what a visit says.
 */
words: string, 
/**
 * What the visit says on this side, where that is what people disagree about.
 */
visit: VisitForm | null, 
/**
 * Who gave it, where the name is known here.
 */
author_name: string | null, 
/**
 * When, as the device's clock claimed, in ms since 1970.
 */
at_ms: number | null, };

/**
 * A case in which people disagree.
 */
export type ConflictView = { 
/**
 * Which one.
 */
id: string, 
/**
 * The version that a settling is based on; a 64-bit number as text.
 */
seen_ver: string, 
/**
 * `household`, `visit`, `person`, `business`, `product`, `plan`, `other`.
 */
about: string, 
/**
 * The field group.
 */
group: number, 
/**
 * The row.
 */
subject: string, 
/**
 * What the household is called here.
 */
household_label: string | null, 
/**
 * What people said.
 */
sides: Array<ConflictSideView>, 
/**
 * Still to be settled.
 */
open: boolean, };

/**
 * Which conflicts.
 */
export type ConflictsArgs = { 
/**
 * Settled ones too.
 */
all: boolean, };

/**
 * A consent that was given just now.
 */
export type ConsentArgs = { 
/**
 * Codes of purposes: `visit_log`, `photo`, …
 */
purposes: Array<string>, 
/**
 * Which text was read out.
 */
notice_version: string, 
/**
 * In which language.
 */
language: string, 
/**
 * `spoken_witnessed`, `on_screen`, …
 */
method: string, 
/**
 * It was taken back today.
 */
withdrawn: boolean, };

/**
 * What a household agreed to.
 */
export type ConsentView = { 
/**
 * Codes of purposes.
 */
purposes: Array<string>, 
/**
 * When, `YYYY-MM-DD`.
 */
given: string, 
/**
 * When it was taken back.
 */
withdrawn: string | null, };

/**
 * The same three numbers that are shown everywhere.
 */
export type CountTotals = { 
/**
 * What this phone shows, sent or not.
 */
recorded: number, 
/**
 * What the server has.
 */
confirmed: number, 
/**
 * What of it was approved.
 */
approved: number, };

/**
 * The counts of a reporting month.
 */
export type Counts = { 
/**
 * The month, `YYYY-MM`.
 */
month: string, 
/**
 * The server's clock, in ms, at the last complete answer: confirmed numbers are as of then. 0 before the first.
 */
consistent_at_ms: number, 
/**
 * Visits.
 */
visits: CountTotals, 
/**
 * Activities.
 */
activities: CountTotals, 
/**
 * Activities with the outcome "done".
 */
achieved: CountTotals, 
/**
 * The cells behind them.
 */
cells: Array<Cell>, };

/**
 * A course.
 */
export type CourseArgs = { 
/**
 * Its code.
 */
code: string, };

/**
 * A course to read and its quiz.
 */
export type CourseContentView = { 
/**
 * Its code.
 */
code: string, 
/**
 * Its title.
 */
title: WordsView, 
/**
 * How long it takes, in minutes.
 */
minutes: number, 
/**
 * How many of a hundred answers must be right.
 */
pass_percent: number, 
/**
 * What is read.
 */
cards: Array<CardView>, 
/**
 * What is asked. Which answers are right stays in the core.
 */
questions: Array<QuestionView>, };

/**
 * A course, and how its member stands with it.
 */
export type CourseView = { 
/**
 * Its code.
 */
code: string, 
/**
 * Its title in Vietnamese.
 */
title_vi: string, 
/**
 * Its title in English.
 */
title_en: string, 
/**
 * How long it takes, in minutes.
 */
minutes: number, 
/**
 * How many of a hundred answers must be right.
 */
pass_percent: number, 
/**
 * The best attempt: questions answered right, and asked.
 */
best: [number, number] | null, 
/**
 * How often it was tried.
 */
attempts: number, 
/**
 * The best attempt reached what must be reached.
 */
passed: boolean, };

/**
 * How far a visit has come on its way to the server.
 */
export type Delivery = "recorded" | "sent" | "confirmed";

/**
 * One installation of the app, not one person: families share phones.
 */
export type DeviceId = string;

/**
 * What the comparison with the server's proof said.
 */
export type DigestCheck = "agrees" | "recounted" | "ask_heads" | "differs";

/**
 * What a look for damage found.
 */
export type DoctorView = { 
/**
 * Nothing is wrong.
 */
sound: boolean, 
/**
 * What is.
 */
faults: Array<string>, 
/**
 * Rows of the server that are held here.
 */
rows: number, 
/**
 * Bytes in use.
 */
bytes_used: number, };

/**
 * A new draft.
 */
export type DraftBeginArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * What is known already.
 */
form: VisitForm, };

/**
 * A draft that corrects a visit.
 */
export type DraftCorrectArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The visit.
 */
visit: string, };

/**
 * A finished draft.
 */
export type DraftFinishArgs = { 
/**
 * The draft.
 */
id: string, 
/**
 * As it stands.
 */
form: VisitForm, 
/**
 * Handed in at once.
 */
submit: boolean, };

/**
 * What a form holds now.
 */
export type DraftKeepArgs = { 
/**
 * The draft.
 */
id: string, 
/**
 * As it stands.
 */
form: VisitForm, };

/**
 * A draft.
 */
export type DraftView = { 
/**
 * The id of the visit that it will be; for a correction, of the correction.
 */
id: string, 
/**
 * When it was last changed, by this phone's clock.
 */
changed_ms: number, 
/**
 * Its village is no longer among the user's: it is kept, but cannot be handed in.
 */
scope_lost: boolean, 
/**
 * The visit that it corrects.
 */
corrects: string | null, 
/**
 * What the household is called here.
 */
household_label: string | null, 
/**
 * What the form holds.
 */
form: VisitForm, };

/**
 * How a session ended.
 */
export type Ended = "running" | "complete" | "incomplete" | { "failed": Failure } | "stalled" | "too_early" | "wiped";

/**
 * What the server gave at an enrolment: the members of its answer that a phone keeps.
 */
export type EnrolAnswer = { 
/**
 * The user.
 */
user_id: string, 
/**
 * The user's name.
 */
display_name: string, 
/**
 * The device.
 */
device_id: string, 
/**
 * The session, a 64-bit number as text.
 */
session_id: string, 
/**
 * The key that seals requests, 32 bytes in hex.
 */
sync_key: string, 
/**
 * For a new session.
 */
refresh_token: string, 
/**
 * For JSON calls.
 */
access_token: string, 
/**
 * The server's address.
 */
server: string, };

/**
 * One thing that a visit counts as.
 */
export type ExplainedCell = { 
/**
 * The kind of activity; empty for the visit itself.
 */
kind: string, 
/**
 * The outcome.
 */
outcome: string, 
/**
 * Whether it counts as achieved.
 */
achieved: boolean, };

/**
 * Why a visit counts where it does.
 */
export type Explanation = { 
/**
 * The visit.
 */
visit: VisitId, 
/**
 * The day as the person entered it.
 */
day: string, 
/**
 * The reporting month, which runs from the 15th of the month before to the 14th.
 */
month: string, 
/**
 * The village.
 */
village: UnitId, 
/**
 * The team.
 */
team: TeamId, 
/**
 * The status as shown; a code of the visit workflow.
 */
status: string, 
/**
 * Void: it counts nowhere.
 */
void: boolean, 
/**
 * What it counts as on this phone.
 */
recorded: Array<ExplainedCell>, 
/**
 * What it counts as at the server; empty while it has not arrived.
 */
confirmed: Array<ExplainedCell>, 
/**
 * Whether the server has approved it.
 */
approved: boolean, };

/**
 * Why there was no answer.
 */
export type Failure = "network" | "cut" | "sign_in" | { "busy": { 
/**
 * Milliseconds; 0 when it did not say.
 */
retry_after_ms: number, } } | "too_large" | "update_needed" | "server_full" | { "status": number };

/**
 * A case from the field, as its village sees it.
 */
export type FieldCase = { 
/**
 * Which one.
 */
id: CaseId, 
/**
 * The village or commune.
 */
unit: UnitId, 
/**
 * A code of `case_flow::CaseKind`.
 */
kind: string, 
/**
 * Where it came to: `open`, or the last step.
 */
status: string, 
/**
 * The day on which it was opened, `YYYY-MM-DD`.
 */
opened: string, 
/**
 * The last day on which an answer is in time.
 */
due: string | null, 
/**
 * What it is about, when no activity says so.
 */
text: string | null, 
/**
 * What was done about it, in order.
 */
steps: Array<StepView>, };

/**
 * One figure.
 */
export type FigureView = { 
/**
 * Code of the indicator or kind.
 */
code: string, 
/**
 * Its name in Vietnamese.
 */
vi: string, 
/**
 * Its name in English.
 */
en: string, 
/**
 * `percent`, `count`, …
 */
unit: string, 
/**
 * The value in decimal digits; absent when `empty` says why.
 */
value: string | null, 
/**
 * Above the line.
 */
numerator: string | null, 
/**
 * Below the line.
 */
denominator: string | null, 
/**
 * Why there is no value: a stable code.
 */
empty: string | null, 
/**
 * Approved activities behind it.
 */
approved: number, 
/**
 * Submitted activities that are not approved yet.
 */
submitted: number, 
/**
 * The period is open, or submitted activities are counted in.
 */
provisional: boolean, };

/**
 * Which figures.
 */
export type FiguresArgs = { 
/**
 * The village or commune.
 */
unit: string, 
/**
 * `YYYY-MM`; the current reporting month when left out.
 */
month?: string, 
/**
 * `month`, `quarter`, `half_year`, `year`; the month when left out.
 */
span?: string, 
/**
 * Approved activities only, of what the server has.
 */
official: boolean, };

/**
 * The figures of a unit for a period.
 */
export type FiguresView = { 
/**
 * First day, `YYYY-MM-DD`.
 */
from: string, 
/**
 * Last day, `YYYY-MM-DD`.
 */
to: string, 
/**
 * The server's clock, in ms, at the last complete answer. 0 before the first.
 */
consistent_at_ms: number, 
/**
 * Indicators.
 */
indicators: Array<FigureView>, 
/**
 * What each kind of activity came to.
 */
kinds: Array<FigureView>, };

/**
 * A form.
 */
export type FormArgs = { 
/**
 * As it stands.
 */
form: VisitForm, };

/**
 * One thing that is wrong with a form, or worth a look.
 */
export type FormFinding = { 
/**
 * `error`: it cannot be saved as it is; `warn`: a reviewer will see it.
 */
severity: string, 
/**
 * A stable code.
 */
code: string, 
/**
 * Index of the activity.
 */
activity: number | null, 
/**
 * The field it belongs to.
 */
field: string | null, 
/**
 * In plain Vietnamese.
 */
vi: string, 
/**
 * In plain English.
 */
en: string, };

/**
 * One role in one scope.
 */
export type Held = { 
/**
 * Where.
 */
scope: ScopeId, 
/**
 * Which; a code of `Role`.
 */
role: string, };

/**
 * A new household.
 */
export type HouseholdCreateArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The village.
 */
village: string, 
/**
 * What is entered.
 */
groups: HouseholdGroups, };

/**
 * What is entered about a household. What is left out stays as it was.
 */
export type HouseholdGroups = { 
/**
 * What the village calls it.
 */
label?: string, 
/**
 * A landmark.
 */
landmark?: string, 
/**
 * The head; needs consent.
 */
head?: string, 
/**
 * The phone; needs consent.
 */
phone?: string, 
/**
 * `normal`, `poor`, `near_poor`, `policy`.
 */
class?: string, 
/**
 * People aged 15 and over.
 */
adults_15_plus?: number, 
/**
 * `active`, `closed`.
 */
status?: string, 
/**
 * The household agreed to these purposes today.
 */
consent?: ConsentArgs, };

/**
 * A household in a list.
 */
export type HouseholdHit = { 
/**
 * Which one.
 */
id: HouseholdId, 
/**
 * Its village.
 */
scope: ScopeId, 
/**
 * What the village calls it.
 */
label: string, 
/**
 * A landmark.
 */
landmark: string | null, 
/**
 * The head, with consent.
 */
head: string | null, 
/**
 * The phone, with consent.
 */
phone: string | null, 
/**
 * No longer there.
 */
closed: boolean, 
/**
 * Something about it has not reached the server.
 */
waiting: boolean, };

/**
 * A household.
 */
export type HouseholdId = string;

/**
 * A household that lives elsewhere now.
 */
export type HouseholdMoveArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, 
/**
 * The version that the person was looking at.
 */
seen_ver: string, 
/**
 * The village.
 */
to: string, };

/**
 * A changed household.
 */
export type HouseholdSetArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, 
/**
 * The version that the person was looking at.
 */
seen_ver: string, 
/**
 * What is changed.
 */
groups: HouseholdGroups, };

/**
 * One household.
 */
export type HouseholdView = { 
/**
 * Its line in a list.
 */
household: HouseholdHit, 
/**
 * The version that an edit is based on; a 64-bit number as text.
 */
seen_ver: string, 
/**
 * Its class.
 */
class: string | null, 
/**
 * People aged 15 and over.
 */
adults_15_plus: number | null, 
/**
 * What it agreed to.
 */
consent: ConsentView | null, 
/**
 * Open cases about it.
 */
conflicts: number, 
/**
 * Visits, the latest first.
 */
visits: Array<VisitLineView>, 
/**
 * Plans that are still open.
 */
plans: Array<PlanView>, };

/**
 * Which households.
 */
export type HouseholdsArgs = { 
/**
 * What was typed: any part of a name, initials, a landmark, the end of a phone number. Empty for all.
 */
query: string, 
/**
 * At most so many; 50 when left out.
 */
limit?: number, };

/**
 * Who uses this store. Without any secret.
 */
export type Identity = { 
/**
 * The user.
 */
user: UserId, 
/**
 * The user's name.
 */
display_name: string, 
/**
 * The device.
 */
device: DeviceId, 
/**
 * The server's address.
 */
server: string | null, 
/**
 * What the user holds, as of the last contact.
 */
holdings: Array<Held>, 
/**
 * Revision of the user's grants.
 */
grants_rev: number, };

export type JsonValue = number | string | boolean | Array<JsonValue> | { [key in string]: JsonValue } | null;

/**
 * What a member did.
 */
export type MemberActivity = { 
/**
 * Who.
 */
user: UserId, 
/**
 * The name that colleagues see.
 */
name: string, 
/**
 * `leader`, `deputy`, `member`.
 */
position: string | null, 
/**
 * The day of the last visit that is known here; a phone keeps those of 90 days.
 */
last_day: string | null, 
/**
 * Days since then.
 */
quiet_days: number | null, 
/**
 * Visits of the month.
 */
recorded: number, 
/**
 * Those among them that the server has.
 */
confirmed: number, };

/**
 * A member of a team.
 */
export type MemberView = { 
/**
 * The membership.
 */
id: TeamMemberId, 
/**
 * The team.
 */
team: TeamId, 
/**
 * The user.
 */
user: UserId, 
/**
 * The name that colleagues see.
 */
display_name: string, 
/**
 * `leader`, `deputy`, `member`.
 */
position: string | null, };

/**
 * A reporting month.
 */
export type MonthArgs = { 
/**
 * `YYYY-MM`; the current one when left out.
 */
month?: string, };

/**
 * A household that somebody is about to enter.
 */
export type NewHouseholdArgs = { 
/**
 * The village.
 */
village?: string, 
/**
 * What the village calls it.
 */
label: string, 
/**
 * A landmark.
 */
landmark?: string, 
/**
 * The head.
 */
head?: string, 
/**
 * The phone, as typed.
 */
phone?: string, };

/**
 * Nothing to say.
 */
export type NoArgs = Record<symbol, never>;

/**
 * A day.
 */
export type OnDay = { 
/**
 * `YYYY-MM-DD`; today when left out.
 */
day?: string, };

/**
 * How far an op has come.
 */
export type OpState = "pending" | "sent" | "decided" | "echoed" | "durable";

/**
 * What names an op whatever device, epoch and number it arrives under.
 */
export type OpUid = string;

/**
 * One answer that can be chosen.
 */
export type OptionView = { 
/**
 * Its code within the question.
 */
code: string, 
/**
 * In Vietnamese.
 */
vi: string, 
/**
 * In English.
 */
en: string, };

/**
 * One op, for people.
 */
export type OutboxOp = { 
/**
 * What names it for ever.
 */
uid: OpUid, 
/**
 * The outbox, in decimal digits.
 */
epoch: string, 
/**
 * Its number there.
 */
n: number, 
/**
 * What it wants: `visit.record/1`.
 */
name: string, 
/**
 * When the intent began, by this phone's clock.
 */
at: ClaimedMs, 
/**
 * How far it has come.
 */
state: OpState, 
/**
 * `applied`, `applied_with_case`, `deferred`, `rejected`; nothing before the answer.
 */
verdict: string | null, 
/**
 * The stable code of the answer.
 */
code: string | null, 
/**
 * What the code is about.
 */
field: string | null, 
/**
 * The rule behind the code.
 */
rule: string | null, 
/**
 * The answer in plain Vietnamese.
 */
vi: string | null, 
/**
 * The answer in plain English.
 */
en: string | null, 
/**
 * The row that it is about.
 */
row: string | null, 
/**
 * Bytes as sent.
 */
bytes: number, };

/**
 * A payment code as it was scanned.
 */
export type PaymentCodeArgs = { 
/**
 * Its text.
 */
text: string, };

/**
 * What a payment code says that may be kept.
 */
export type PaymentCodeView = { 
/**
 * Names of the banks or wallets behind it.
 */
acquirers: Array<string>, 
/**
 * The bank's number.
 */
bin: string, 
/**
 * The amount of a code made for one payment, in đồng.
 */
amount_vnd: number | null, 
/**
 * Answers to the kind `payment_qr_point`.
 */
fields: JsonValue, };

/**
 * A person who is entered, and agreed to it.
 */
export type PersonCreateArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The village.
 */
village: string, 
/**
 * Where the person lives.
 */
household?: string, 
/**
 * The name.
 */
name: string, 
/**
 * `7-14`, `15-17`, `18-39`, `40-59`, `60+`.
 */
band?: string, 
/**
 * What the person agreed to.
 */
consent: ConsentArgs, };

/**
 * A village where this person works.
 */
export type PlaceView = { 
/**
 * The village.
 */
village: UnitView, 
/**
 * Name of its commune.
 */
commune: string | null, 
/**
 * What this person is there: codes of roles.
 */
roles: Array<string>, 
/**
 * Teams that work there, the person's own first.
 */
teams: Array<TeamView>, };

/**
 * A plan that is called off.
 */
export type PlanCancelArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, 
/**
 * Why.
 */
reason?: string, };

/**
 * A planned visit.
 */
export type PlanCreateArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The village.
 */
village: string, 
/**
 * The team.
 */
team: string, 
/**
 * Who is to go.
 */
user?: string, 
/**
 * Whom to visit.
 */
household?: string, 
/**
 * A code of the catalogue's list.
 */
visit_type: string, 
/**
 * When, `YYYY-MM-DD`.
 */
day: string, 
/**
 * What is still owed: kinds of activity.
 */
kinds: Array<string>, 
/**
 * In free words.
 */
note?: string, 
/**
 * The visit on which something stayed undone.
 */
follows?: string, };

/**
 * A planned visit.
 */
export type PlanId = string;

/**
 * A planned visit.
 */
export type PlanView = { 
/**
 * Which one.
 */
id: PlanId, 
/**
 * The village.
 */
village: UnitId, 
/**
 * Whom to visit.
 */
household: HouseholdId | null, 
/**
 * The household's name or label.
 */
household_label: string | null, 
/**
 * A code of the catalogue's `visit_type` list.
 */
visit_type: string, 
/**
 * When, `YYYY-MM-DD`.
 */
day: string, 
/**
 * `planned`, `done`, `cancelled`.
 */
status: string, 
/**
 * What is still owed: kinds of activity.
 */
kinds: Array<string>, 
/**
 * A note.
 */
note: string | null, 
/**
 * The visit on which something stayed undone.
 */
follows: VisitId | null, 
/**
 * The team.
 */
team: TeamId | null, 
/**
 * The member.
 */
user: UserId | null, 
/**
 * The visit that carried it out.
 */
visit: VisitId | null, 
/**
 * Its day has passed.
 */
overdue: boolean, 
/**
 * It has not reached the server.
 */
waiting: boolean, };

/**
 * Which plans.
 */
export type PlansArgs = { 
/**
 * Only what is still owed from an earlier visit.
 */
follow_ups: boolean, 
/**
 * Done and cancelled ones too.
 */
all: boolean, };

/**
 * Why a call did not do what was asked.
 */
export type Problem = { 
/**
 * A stable code.
 */
code: string, 
/**
 * In plain Vietnamese.
 */
vi: string, 
/**
 * In plain English.
 */
en: string, 
/**
 * What it is about: a field, or `activities[2].step`.
 */
field: string | null, 
/**
 * Everything that is wrong with a form, each at its field.
 */
findings: Array<FormFinding>, };

/**
 * A product that is entered.
 */
export type ProductCreateArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The village.
 */
village: string, 
/**
 * Who makes or sells it.
 */
business: string, 
/**
 * Its name.
 */
name: string, 
/**
 * A code: `crop`, `livestock`, `food`, `craft`, `other`.
 */
category: string, };

/**
 * One question of a quiz.
 */
export type QuestionView = { 
/**
 * What is asked.
 */
text: WordsView, 
/**
 * More than one answer is right.
 */
several: boolean, 
/**
 * What can be chosen.
 */
options: Array<OptionView>, };

/**
 * An attempt at a quiz.
 */
export type QuizArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * The course.
 */
code: string, 
/**
 * The chosen answers, question by question.
 */
chosen: Array<Array<string>>, };

/**
 * How an attempt at a quiz went.
 */
export type QuizView = { 
/**
 * Questions answered right.
 */
right: number, 
/**
 * Questions asked.
 */
of: number, 
/**
 * Enough of them.
 */
passed: boolean, };

/**
 * One reason of a return, at the place it is about.
 */
export type ReasonView = { 
/**
 * A stable code.
 */
code: string, 
/**
 * Index of the activity.
 */
activity: number | null, 
/**
 * Code of the field.
 */
field: string | null, 
/**
 * The reviewer's own words.
 */
text: string | null, };

/**
 * What is not sent yet, as a file.
 */
export type RescueExport = { 
/**
 * What the file is called.
 */
name: string, 
/**
 * Its bytes in hex. Only the server can read them.
 */
bytes: string, 
/**
 * Changes in it.
 */
ops: number, 
/**
 * Visits among them.
 */
visits: number, 
/**
 * Drafts, which are not in it: they are no visits yet.
 */
drafts: number, };

/**
 * One reason of a return.
 */
export type ReturnReasonArgs = { 
/**
 * A stable code: `wrong_answer`, `missing_answer`, …
 */
code: string, 
/**
 * Index of the activity.
 */
activity?: number, 
/**
 * Code of the field.
 */
field?: string, 
/**
 * In free words.
 */
text?: string, };

/**
 * A visit that was sent back, with why.
 */
export type Returned = { 
/**
 * The visit.
 */
visit: VisitSummary, 
/**
 * The household's name or label.
 */
household_label: string | null, 
/**
 * Why.
 */
review: ReviewView | null, };

/**
 * A review, for people.
 */
export type ReviewView = { 
/**
 * `returned` or `approved`.
 */
decision: string, 
/**
 * Who.
 */
by: UserId, 
/**
 * The name, where it is known here.
 */
by_name: string | null, 
/**
 * When, by the server's clock.
 */
at: ServerMs, 
/**
 * Why it was returned.
 */
reasons: Array<ReasonView>, 
/**
 * The reviewer's own words.
 */
note: string | null, 
/**
 * Whether the review is about the content that holds now.
 */
current: boolean, };

/**
 * What was saved. It is on the disk.
 */
export type Saved = { 
/**
 * What names the op for ever.
 */
uid: OpUid, 
/**
 * Its number in the outbox.
 */
n: number, 
/**
 * The row that it creates or changes.
 */
row: string, 
/**
 * A case that it will open, as far as this phone can tell.
 */
case: CaseId | null, 
/**
 * Why the server is expected to keep it for later.
 */
deferred: string | null, };

/**
 * The smallest cell of territory that a person may be granted: the row id of a village, or of a commune for the
 * few rows that belong to the commune itself.
 */
export type ScopeId = string;

/**
 * Milliseconds since 1970-01-01T00:00:00Z by the server's clock.
 */
export type ServerMs = number;

/**
 * Something that is worth a second look, and why. A question, never a verdict.
 */
export type SignalView = { 
/**
 * The stable code.
 */
code: string, 
/**
 * `low`, `medium`, `high`.
 */
weight: string, 
/**
 * What was noticed, with the numbers, in Vietnamese.
 */
vi: string, 
/**
 * The same in English.
 */
en: string, 
/**
 * The visits behind it.
 */
visits: Array<VisitId>, };

/**
 * A household that may be the one that somebody is about to enter.
 */
export type Similar = { 
/**
 * The household.
 */
household: HouseholdHit, 
/**
 * Why: codes of [`sync_protocol::similar::Reason`].
 */
reasons: Array<string>, 
/**
 * How much speaks for it; higher is more.
 */
score: number, };

/**
 * One step of a case or of a recognition.
 */
export type StepView = { 
/**
 * Where it came to.
 */
to: string, 
/**
 * The day, `YYYY-MM-DD`.
 */
day: string, 
/**
 * Receiver, answer, reason, or number of the decision.
 */
text: string | null, };

/**
 * Something that an activity can name.
 */
export type SubjectView = { 
/**
 * Which one.
 */
id: string, 
/**
 * Its name. For a need without words: its day.
 */
name: string, 
/**
 * A code for what it is more closely: a business's kind, a product's category, a person's age.
 */
detail: string | null, 
/**
 * In free words: when a market is held, whose product it is.
 */
words: string | null, 
/**
 * It belongs to the household that is visited.
 */
here: boolean, 
/**
 * It has not reached the server yet.
 */
waiting: boolean, };

/**
 * What an activity can name.
 */
export type SubjectsArgs = { 
/**
 * `business`, `product`, `market`, `person`, `case`.
 */
of: string, 
/**
 * The village.
 */
village: string, 
/**
 * The household that is visited.
 */
household?: string, 
/**
 * Products of this business only.
 */
business?: string, };

/**
 * What the strip at the top of every screen says.
 */
export type SyncState = { 
/**
 * Visits on this phone, sent or not.
 */
recorded: number, 
/**
 * Visits that the server has.
 */
confirmed: number, 
/**
 * Ops that wait to be sent.
 */
waiting: number, 
/**
 * Ops that were sent and not yet answered.
 */
sent: number, 
/**
 * Ops that the server keeps for later.
 */
deferred: number, 
/**
 * Ops that the server refused and nobody has dealt with.
 */
refused: number, 
/**
 * Why the last attempt did not end well: a stable code.
 */
problem: string | null, 
/**
 * Somebody must sign in before the next sync.
 */
sign_in_needed: boolean, 
/**
 * The device was revoked.
 */
wiped: boolean, 
/**
 * A newer app exists.
 */
update_advised: boolean, 
/**
 * The copy differs from the server's and today's repairs were tried.
 */
differs: boolean, 
/**
 * At the last answer this phone's clock and the server's were more than a day apart: days of new entries are wrong.
 */
clock_wrong: boolean, 
/**
 * This phone's clock at the last answer; 0 before the first.
 */
last_contact_ms: number, 
/**
 * The server's clock at the last complete answer: numbers are as of then.
 */
consistent_at_ms: number, 
/**
 * No attempt before this moment of this phone's clock, unless a person asks.
 */
not_before_ms: number, 
/**
 * Bytes sent this month.
 */
bytes_up: number, 
/**
 * Bytes received this month.
 */
bytes_down: number, };

/**
 * What a session did.
 */
export type SyncSummary = { 
/**
 * How it ended.
 */
ended: Ended, 
/**
 * Requests made.
 */
rounds: number, 
/**
 * Ops put on the wire, repeats too.
 */
ops_sent: number, 
/**
 * Ops newly applied.
 */
applied: number, 
/**
 * Ops newly applied with a case.
 */
with_case: number, 
/**
 * Ops newly kept for later.
 */
deferred: number, 
/**
 * Ops newly refused.
 */
rejected: number, 
/**
 * Rows received.
 */
rows: number, 
/**
 * Rows that could not be read.
 */
unreadable: number, 
/**
 * Bytes of requests.
 */
bytes_up: number, 
/**
 * Bytes of answers.
 */
bytes_down: number, 
/**
 * Scopes that were forgotten, with their rows.
 */
purged: Array<[ScopeId, number]>, 
/**
 * New outboxes that had to be opened.
 */
new_epochs: number, 
/**
 * A server restore was noticed.
 */
server_restored: boolean, 
/**
 * What the comparison with the server's proof said, when there was one.
 */
digest: DigestCheck | null, 
/**
 * Buckets that are loaded afresh because they differed.
 */
reloaded: number, 
/**
 * Codes of what the server set aside.
 */
problems: Array<string>, 
/**
 * Milliseconds until the next attempt makes sense, unless a person asks.
 */
next_after_ms: number, };

/**
 * A target and how far the village is.
 */
export type TargetProgress = { 
/**
 * Set for the village itself, not for a unit above it.
 */
own: boolean, 
/**
 * What is counted, in Vietnamese.
 */
vi: string, 
/**
 * In English.
 */
en: string, 
/**
 * How much is wanted, in digits.
 */
goal: string, 
/**
 * What the village has, as this phone shows it; absent when it cannot be worked out here.
 */
so_far: string | null, 
/**
 * Last day.
 */
due: string | null, };

/**
 * A community digital team.
 */
export type TeamId = string;

/**
 * One person's membership of one team over one period.
 */
export type TeamMemberId = string;

/**
 * A team, its members and the targets of its village in a reporting month.
 */
export type TeamOverview = { 
/**
 * The team.
 */
team: TeamView, 
/**
 * Visits of the month in its villages, as this phone shows them.
 */
recorded: number, 
/**
 * Those among them that the server has.
 */
confirmed: number, 
/**
 * Its members: whoever was quiet the longest comes first.
 */
members: Array<MemberActivity>, 
/**
 * Published targets that are in force.
 */
targets: Array<TargetProgress>, };

/**
 * A team.
 */
export type TeamView = { 
/**
 * Which one.
 */
id: TeamId, 
/**
 * Its name.
 */
name: string, 
/**
 * Its village or commune.
 */
unit: UnitId, };

/**
 * The home screen.
 */
export type TodayView = { 
/**
 * The day, `YYYY-MM-DD`.
 */
day: string, 
/**
 * Plans for today or before.
 */
plans: Array<PlanView>, 
/**
 * Visits of today.
 */
visits: Array<VisitLineView>, 
/**
 * Plans in which something is owed from an earlier visit.
 */
follow_ups: number, 
/**
 * Drafts.
 */
drafts: number, 
/**
 * Visits that were sent back.
 */
returned: number, 
/**
 * Ops that wait to be sent or answered.
 */
not_yet_synced: number, 
/**
 * Ops that were refused or are kept for later.
 */
needs_attention: number, 
/**
 * Cases in which people disagree.
 */
conflicts: number, };

/**
 * An administrative unit's row: one unit over one period of validity. Never a bare official code, which is reused.
 */
export type UnitId = string;

/**
 * A unit.
 */
export type UnitView = { 
/**
 * Which one.
 */
id: UnitId, 
/**
 * Its level.
 */
level: string, 
/**
 * Name with the type.
 */
name: string, 
/**
 * The official code.
 */
code: string, 
/**
 * The unit above.
 */
parent: UnitId | null, };

/**
 * A person with an account.
 */
export type UserId = string;

/**
 * A visit as a form holds it: finished or not, right or not.
 */
export type VisitForm = { 
/**
 * The village.
 */
village: string, 
/**
 * The team.
 */
team: string, 
/**
 * The household; left out for group sessions and counter duty.
 */
household?: string, 
/**
 * A code of the catalogue's `visit_type` list.
 */
visit_type: string, 
/**
 * The day, `YYYY-MM-DD`.
 */
day: string, 
/**
 * How long it took, in minutes.
 */
minutes?: number, 
/**
 * Who came along.
 */
members: Array<string>, 
/**
 * What was done.
 */
activities: Array<ActivityForm>, 
/**
 * `absent` or `refused`, when nothing could be done.
 */
result?: string, 
/**
 * In free words.
 */
summary?: string, 
/**
 * A partner organisation that took part.
 */
partner_org?: string, 
/**
 * Why so many activities in one day.
 */
quantity_reason?: string, 
/**
 * Where it was: latitude and longitude in thousandths of a degree.
 */
place?: [number, number], 
/**
 * The plan that it carries out.
 */
plan?: string, };

/**
 * A visit; also the id of the event that recorded it.
 */
export type VisitId = string;

/**
 * A visit in a list.
 */
export type VisitLineView = { 
/**
 * Which one.
 */
id: string, 
/**
 * Its village.
 */
village: string, 
/**
 * The household.
 */
household: string | null, 
/**
 * What the household is called here.
 */
household_label: string | null, 
/**
 * Who recorded it.
 */
author: string, 
/**
 * The name, where it is known here.
 */
author_name: string | null, 
/**
 * The day, `YYYY-MM-DD`.
 */
day: string, 
/**
 * A code of the catalogue's `visit_type` list.
 */
visit_type: string, 
/**
 * What was done: kinds of activity.
 */
kinds: Array<string>, 
/**
 * `absent` or `refused`, when nothing could be done.
 */
result: string | null, 
/**
 * A code of the visit workflow.
 */
status: string, 
/**
 * How far it has come on its way to the server.
 */
delivery: Delivery, 
/**
 * Declared void.
 */
void: boolean, 
/**
 * People disagree about it.
 */
disputed: boolean, 
/**
 * What a reviewer should look at: stable codes.
 */
flags: Array<string>, };

/**
 * A visit that is sent back.
 */
export type VisitReturnArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, 
/**
 * Why.
 */
reasons: Array<ReturnReasonArgs>, 
/**
 * In free words.
 */
note?: string, };

/**
 * A visit in a list.
 */
export type VisitSummary = { 
/**
 * Which one.
 */
id: VisitId, 
/**
 * Its village.
 */
scope: ScopeId, 
/**
 * The household.
 */
household: HouseholdId | null, 
/**
 * Who recorded it.
 */
author: UserId, 
/**
 * The day, `YYYY-MM-DD`.
 */
day: string, 
/**
 * A code of the visit workflow.
 */
status: string, 
/**
 * Declared void.
 */
void: boolean, 
/**
 * Something about it has not reached the server, or its answer has not come back.
 */
waiting: boolean, 
/**
 * People disagree about it.
 */
disputed: boolean, 
/**
 * What a reviewer should look at: stable codes.
 */
flags: Array<string>, };

/**
 * One visit.
 */
export type VisitView = { 
/**
 * Its line in a list.
 */
line: VisitLineView, 
/**
 * How far it has come.
 */
delivery: Delivery, 
/**
 * What it says, as a form.
 */
form: VisitForm, 
/**
 * The valid content has not arrived; the one recorded first stands in.
 */
content_awaited: boolean, 
/**
 * Its activities with their ids.
 */
activities: Array<ActivityView>, 
/**
 * The last review.
 */
review: ReviewView | null, 
/**
 * Open cases about it.
 */
conflicts: Array<string>, 
/**
 * Who recorded it, where the name is known here.
 */
author_name: string | null, };

/**
 * A visit that should not have been recorded.
 */
export type VisitVoidArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, 
/**
 * `duplicate`, `wrong_household`, `entered_by_mistake`, `other`.
 */
code: string, 
/**
 * In free words.
 */
text?: string, };

/**
 * Which visits.
 */
export type VisitsArgs = { 
/**
 * Of a household.
 */
household?: string, 
/**
 * With this status.
 */
status?: string, 
/**
 * From this day on.
 */
from?: string, 
/**
 * Up to this day.
 */
to?: string, 
/**
 * At most so many; 100 when left out, 0 for all.
 */
limit?: number, };

/**
 * Words in both languages.
 */
export type WordsView = { 
/**
 * In Vietnamese.
 */
vi: string, 
/**
 * In English.
 */
en: string, };

/**
 * A change of one thing that needs no more words.
 */
export type WriteArgs = { 
/**
 * Drawn when the person pressed.
 */
call: string, 
/**
 * Which one.
 */
id: string, };

/** Every message: its arguments and its answer. */
export interface Messages {
  /** Who uses this phone, what waits, what day it is. */
  state: [NoArgs, AppState];
  /** The device's public key for an enrolment, SEC1 compressed, in hex. Made on first use. */
  device_key: [NoArgs, string];
  /** Keeps what the server gave at an enrolment. */
  enrolled: [EnrolAnswer, AppState];
  /** The access token for JSON calls. */
  access_token: [NoArgs, string];
  /** The home screen. */
  today: [OnDay, TodayView];
  /** The villages where this person works, each with its teams. */
  places: [NoArgs, Array<PlaceView>];
  /** Colleagues. */
  members: [NoArgs, Array<MemberView>];
  /** What is still owed from earlier visits, and planned visits. */
  plans: [PlansArgs, Array<PlanView>];
  /** Households: all, or those that fit what was typed. */
  households: [HouseholdsArgs, Array<HouseholdHit>];
  /** One household with its history. */
  household: [ById, HouseholdView];
  /** Households that may be the one that somebody is about to enter. */
  similar: [NewHouseholdArgs, Array<Similar>];
  /** Enters a household. */
  household_create: [HouseholdCreateArgs, Saved];
  /** Changes a household. */
  household_set: [HouseholdSetArgs, Saved];
  /** Sends a household to another village. */
  household_move: [HouseholdMoveArgs, Saved];
  /** Visits. */
  visits: [VisitsArgs, Array<VisitLineView>];
  /** One visit with its answers, its review and its way to the server. */
  visit: [ById, VisitView];
  /** Visits that were sent back, with the reviewer's words. */
  returned: [NoArgs, Array<Returned>];
  /** What the rules would say about a form as it stands. */
  form_check: [FormArgs, Array<FormFinding>];
  /** Drafts, the last one touched first. */
  drafts: [NoArgs, Array<DraftView>];
  /** One draft. */
  draft: [ById, DraftView];
  /** Begins a draft: from here on nothing that is typed gets lost. */
  draft_begin: [DraftBeginArgs, DraftView];
  /** Begins a draft that corrects a visit. */
  draft_correct: [DraftCorrectArgs, DraftView];
  /** Keeps what a form holds now, right or not yet. */
  draft_keep: [DraftKeepArgs, DraftView];
  /** Throws a draft away. */
  draft_discard: [ById, NoArgs];
  /** Finishes a draft: it becomes a visit or a correction. */
  draft_finish: [DraftFinishArgs, Saved];
  /** Hands a visit in. */
  visit_submit: [WriteArgs, Saved];
  /** Declares a visit void. */
  visit_void: [VisitVoidArgs, Saved];
  /** Sends a visit back (leaders). */
  visit_return: [VisitReturnArgs, Saved];
  /** Approves a visit (officers). */
  visit_approve: [WriteArgs, Saved];
  /** Plans a visit. */
  plan_create: [PlanCreateArgs, Saved];
  /** Calls a planned visit off. */
  plan_cancel: [PlanCancelArgs, Saved];
  /** Cases in which people disagree. */
  conflicts: [ConflictsArgs, Array<ConflictView>];
  /** Settles one with one of its sides. */
  conflict_settle: [ConflictSettleArgs, Saved];
  /** The counts of a reporting month: recorded, confirmed, approved. */
  counts: [MonthArgs, Counts];
  /** Why a visit counts where it does. */
  explain: [ById, Explanation];
  /** What in the visits of one's own teams is worth a second look, and why. */
  signals: [OnDay, Array<SignalView>];
  /** The figures of a village, worked out here. */
  figures: [FiguresArgs, FiguresView];
  /** Every op that is kept. */
  outbox: [NoArgs, Array<OutboxOp>];
  /** Ops that were refused or are kept for later. */
  attention: [NoArgs, Array<OutboxOp>];
  /** A refused op has been dealt with. */
  dismiss: [ById, NoArgs];
  /** What is not sent yet, as a file that only the server can read: for when it cannot be sent. */
  rescue_export: [NoArgs, RescueExport];
  /** Announcements in force today. */
  announcements: [OnDay, Array<AnnouncementView>];
  /** Campaigns that hold for a village, with its own counts. */
  campaigns: [CampaignsArgs, Array<CampaignView>];
  /** Cases from the field of the villages on this phone, with their answers. */
  field_cases: [NoArgs, Array<FieldCase>];
  /** The courses that this phone carries, with the person's own results. */
  courses: [NoArgs, Array<CourseView>];
  /** One course: its cards and its questions. */
  course: [CourseArgs, CourseContentView];
  /** Scores a quiz and keeps the result. */
  quiz: [QuizArgs, QuizView];
  /** What an activity can name: businesses, products, markets, persons, needs. */
  subjects: [SubjectsArgs, Array<SubjectView>];
  /** Enters a business. */
  business_create: [BusinessCreateArgs, Saved];
  /** Enters a product. */
  product_create: [ProductCreateArgs, Saved];
  /** Enters a person, who agreed to it. */
  person_create: [PersonCreateArgs, Saved];
  /** The teams that this person leads, with their members and targets. */
  team_overview: [OnDay, Array<TeamOverview>];
  /** The catalogue of activities: what a form asks. */
  catalogue: [NoArgs, JsonValue];
  /** Reads a payment code. Account and name are dropped while reading. */
  payment_code: [PaymentCodeArgs, PaymentCodeView];
  /** Looks for damage: pages, proofs, everything derived. */
  doctor: [NoArgs, DoctorView];
}
