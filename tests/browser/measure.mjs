// How long things take on a slow phone: `node measure.mjs [SLOWER [PART]]`: so many times slower (6 unless told), and of `tasks`,
// `day` and `commune` one part only.
import { spawnSync } from 'node:child_process';
import { Officer, Phone, ask, startServer } from './lib.mjs';
import { TASKS, Taps } from './tasks.mjs';

const slower = Number(process.argv[2] ?? '6');
const wanted = (part) => [part, undefined].includes(process.argv[3]);
const HOUSEHOLDS = 5_000;
/** Visits of each of the fifteen villages that the phone of the commune's own team holds. */
const VISITS = 1_340;
const server = await startServer();
const times = {};
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
const note = (name, ms) => {
  times[name] = Math.round(ms * 10) / 10;
  console.log(`${name}: ${times[name]} ms`);
};

/** Slows the page and every worker of it. Gives the number of workers that took it. */
async function slow(phone) {
  const cdp = await phone.context.newCDPSession(phone.page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: slower });
  let workers = 0;
  const wanted = [];
  cdp.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type !== 'worker') return;
    const message = JSON.stringify({ id: 1, method: 'Emulation.setCPUThrottlingRate', params: { rate: slower } });
    wanted.push(cdp.send('Target.sendMessageToTarget', { sessionId, message }).then(() => (workers += 1)));
  });
  await cdp.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  await phone.page.waitForTimeout(300);
  await Promise.allSettled(wanted);
  return workers;
}

/** What the pages of a phone take in memory, as the system counts it, in MB: the largest of its processes that draw pages. */
function memory(phone) {
  const listed = spawnSync('ps', ['-eo', 'rss=,args='], { encoding: 'utf8', maxBuffer: 64 << 20 }).stdout.split('\n');
  const own = listed.filter((line) => line.includes('--type=renderer') && line.includes(phone.profile));
  return Math.round(Math.max(0, ...own.map((line) => Number(line.trim().split(/\s+/)[0]))) / 1024);
}

/** From the first opening over a day's work in a very large village to its sync. */
async function day(officer) {
  const phone = await Phone.open(server);
  await slow(phone);
  let begun = Date.now();
  await phone.goto();
  await phone.page.getByLabel('Mã đăng ký').waitFor();
  note('first opening to usable, loopback', Date.now() - begun);
  await phone.enrol(await officer.code(server.member().user));
  await phone.page.getByText('Đã gửi hết').waitFor();
  await phone.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await phone.offline();
  begun = Date.now();
  await phone.page.reload();
  await phone.page.getByText('Ứng dụng đang khóa').waitFor();
  note('offline opening to the PIN', Date.now() - begun);
  await slow(phone);
  begun = Date.now();
  await phone.pin();
  await phone.home();
  note('PIN typed to the home screen (argon2id included)', Date.now() - begun);

  const aside = await phone.beside();
  const [place] = await ask(aside, 'places');
  const saves = [];
  const names = ['suối', 'đồi', 'gốc gạo', 'cầu treo', 'trạm y tế', 'ruộng', 'ao cá', 'rặng tre'];
  const rest = (await ask(aside, 'households', { query: '', limit: 100_000 })).length;
  for (let at = rest; at < HOUSEHOLDS; at += 1) {
    const label = `nhà ${names[at % 8]} số ${at}`;
    const from = performance.now();
    await ask(aside, 'household_create', { call: crypto.randomUUID(), village: place.village.id, groups: { label } });
    saves.push(performance.now() - from);
  }
  note('save, durable, median of the last 500 with the way to the core', median(saves.slice(-500)));
  const searches = [];
  for (const query of ['goc gao so 4', 'cau treo', 'tram y te so 12', 'nha suoi']) {
    for (let again = 0; again < 5; again += 1) {
      const from = performance.now();
      await ask(aside, 'households', { query, limit: 60 });
      searches.push(performance.now() - from);
    }
  }
  note(`search among ${HOUSEHOLDS} households, median with the way to the core`, median(searches));
  await phone.offline(false);
  begun = Date.now();
  const end = await ask(aside, 'sync', { pressed: true });
  note(`sync of ${end.finished?.ops_sent ?? 0} saved households`, Date.now() - begun);
  console.log(`bytes up ${end.finished?.bytes_up}, down ${end.finished?.bytes_down}, round trips ${end.finished?.rounds}`);
  console.log(`memory of the page and its worker: ${memory(phone)} MB`);
  await phone.end();
}

/** The five commonest tasks, by script, with the taps that they take. */
async function tasks(officer) {
  const phone = await Phone.open(server);
  try {
    await phone.enrol(await officer.code(server.member().user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    const aside = await phone.beside();
    await slow(phone);
    for (const task of TASKS) {
      await task.prepare?.(aside, task, server);
      await phone.page.evaluate(() => (location.hash = '#/'));
      await phone.home();
      const hand = new Taps(phone.page);
      const begun = Date.now();
      await task.run(hand, task);
      note(`${task.name}: ${hand.taps} taps, ${hand.keys} keystrokes`, Date.now() - begun);
    }
  } finally {
    await phone.end();
  }
}

/** The first sync of a phone that is given a whole commune. */
async function commune() {
  const full = await startServer(['--visits', String(VISITS)]);
  const phone = await Phone.open(full);
  try {
    const officer = await Officer.signIn(full);
    const { user } = full.sample.accounts.find((one) => one.role === 'team_leader' && one.place.startsWith('Xã '));
    await slow(phone);
    await phone.enrol(await officer.code(user));
    const begun = Date.now();
    await phone.page.getByText('Đã gửi hết').waitFor({ timeout: 600_000 });
    const aside = await phone.beside({ timeout: 600_000 });
    const end = await ask(aside, 'sync', { pressed: true });
    const { sync } = await ask(aside, 'state');
    note(`first sync of ${sync.recorded} visits of ${full.sample.villages.length} villages`, Date.now() - begun);
    console.log(`ended ${end.finished?.ended}; bytes down this month ${sync.bytes_down}; memory of the page and its worker ${memory(phone)} MB`);
  } finally {
    await phone.end();
    await full.end();
  }
}

try {
  const officer = await Officer.signIn(server);
  if (wanted('tasks')) await tasks(officer);
  if (wanted('day')) await day(officer);
  if (wanted('commune')) await commune();
} finally {
  await server.end();
}
