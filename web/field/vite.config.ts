import { svelte } from '@sveltejs/vite-plugin-svelte';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, defineConfig } from 'vite';
import type { Plugin } from 'vite';

// Everything lies below /app/, so that the service worker never stands between the desk or the API and the server.
const BASE = '/app/';
const OUT = fileURLToPath(new URL('../dist/app', import.meta.url));
// What arrives is unpacked on the way, so no header says how much the core is in the end.
const CORE_BYTES = statSync(fileURLToPath(new URL('./src/core/wasm/core_bg.wasm', import.meta.url))).size;

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = entries.map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
  return (await Promise.all(found)).flat().sort();
}

/** After the pages, the service worker: it carries the list of everything that was made, each with its digest. */
function serviceWorker(): Plugin {
  return {
    name: 'service-worker',
    apply: 'build',
    async closeBundle() {
      const kept = (await files(OUT)).filter((file) => !/\.(br|map)$/.test(file) && !file.endsWith('sw.js'));
      const manifest = await Promise.all(
        kept.map(async (file) => ({
          url: BASE + relative(OUT, file).replaceAll('\\', '/'),
          revision: createHash('sha256').update(await readFile(file)).digest('hex').slice(0, 16),
        })),
      );
      await build({
        configFile: false,
        logLevel: 'warn',
        define: { __MANIFEST__: JSON.stringify(manifest), 'process.env.NODE_ENV': '"production"' },
        build: {
          target: 'chrome109',
          outDir: OUT,
          emptyOutDir: false,
          copyPublicDir: false,
          lib: { entry: fileURLToPath(new URL('./src/sw.ts', import.meta.url)), formats: ['es'], fileName: () => 'sw.js' },
        },
      });
    },
  };
}

export default defineConfig({
  base: BASE,
  // What the field app and the desk share lies beside both and uses the packages of whoever takes it.
  resolve: { dedupe: ['svelte'] },
  define: { __CORE_BYTES__: String(CORE_BYTES) },
  build: {
    target: 'chrome109',
    outDir: OUT,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  worker: { format: 'es' },
  plugins: [svelte(), serviceWorker()],
});
