// What Lighthouse says of the first page and of the home screen, on its slow phone: accessibility and good practice at least
// 95. Its performance score is told as a trend; it judges a network and a processor that it only imagines.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import lighthouse from 'lighthouse';
import { Officer, Phone } from '../lib.mjs';

const LEAST = 95;

/** A port that nobody uses. */
const freePort = () =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

export default async function journey(server) {
  const officer = await Officer.signIn(server);
  const member = server.member();
  const port = await freePort();
  const phone = await Phone.open(server, { flags: [`--remote-debugging-port=${port}`] });
  const judge = async (name) => {
    const { lhr } = await lighthouse(`${server.base}/app/`, {
      port,
      logLevel: 'error',
      disableStorageReset: true,
      onlyCategories: ['accessibility', 'best-practices', 'performance'],
    });
    assert.equal(lhr.runtimeError, undefined, name);
    const score = (category) => Math.round(lhr.categories[category].score * 100);
    const failed = Object.values(lhr.audits).filter((audit) => audit.score !== null && audit.score < 0.9);
    const why = failed.map((audit) => `${audit.id} ${audit.score}`).join(', ');
    console.log(
      `      Lighthouse ${lhr.lighthouseVersion}, ${name}: accessibility ${score('accessibility')}, ` +
        `best practices ${score('best-practices')}, performance ${score('performance')}`,
    );
    for (const category of ['accessibility', 'best-practices']) assert.ok(score(category) >= LEAST, `${name}, ${category}: ${why}`);
  };
  try {
    await judge('first page');
    await phone.enrol(await officer.code(member.user));
    await phone.page.getByText('Đã gửi hết').waitFor();
    // The page that is in holds the core: the page that is judged shows the home screen through it.
    await judge('home');
  } finally {
    await phone.end();
  }
}
