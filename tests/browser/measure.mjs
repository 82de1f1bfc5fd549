// How long things take on a slow phone: `node measure.mjs [SLOWER]` (6 unless told). Page and worker run so many times slower.
import { Officer, Phone, ask, startServer } from './lib.mjs';

const slower = Number(process.argv[2] ?? '6');
const HOUSEHOLDS = 5_000;
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

try {
  const officer = await Officer.signIn(server);
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

  const aside = await phone.context.newPage();
  await aside.goto(`${server.base}/app/`);
  await aside.getByRole('heading', { name: /^Chào / }).waitFor();
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
  const memory = await phone.page.evaluate(() => globalThis.performance.memory?.usedJSHeapSize ?? 0);
  console.log(`JavaScript heap of the page: ${Math.round(memory / 1e6)} MB`);
  await phone.end();
} finally {
  await server.end();
}
