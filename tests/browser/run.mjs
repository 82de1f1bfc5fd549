// Runs the journeys, one after the other, each with phones of its own: `node run.mjs [NAME …] [--screenshots FOLDER]`.
import { readdir } from 'node:fs/promises';
import { startServer } from './lib.mjs';

const words = process.argv.slice(2);
const at = words.indexOf('--screenshots');
const pictures = at >= 0 ? words.splice(at, 2)[1] : null;
if (at >= 0 && !pictures) {
  console.error('--screenshots needs a folder');
  process.exit(2);
}

const server = await startServer();
let failed = 0;
try {
  if (pictures) {
    const { screenshots } = await import('./screenshots.mjs');
    await screenshots(server, pictures);
  } else {
    const files = (await readdir(new URL('./journeys/', import.meta.url))).filter((file) => file.endsWith('.mjs')).sort();
    const wanted = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
    if (wanted.length === 0) throw new Error(`no journey is called ${words.join(' or ')}`);
    for (const file of wanted) {
      const { default: journey } = await import(`./journeys/${file}`);
      const begun = Date.now();
      try {
        await journey(server);
        console.log(`ok    ${file.replace('.mjs', '')} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
      } catch (error) {
        failed += 1;
        console.log(`FAILED ${file.replace('.mjs', '')}\n${error.stack}`);
      }
    }
    console.log(failed === 0 ? `all ${wanted.length} journeys well` : `${failed} of ${wanted.length} journeys failed`);
  }
} finally {
  await server.end();
}
process.exit(failed === 0 ? 0 : 1);
