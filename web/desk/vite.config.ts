import { svelte } from '@sveltejs/vite-plugin-svelte';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

// While pages are written: `npx vite` beside a server whose address THONSO_SERVER names.
const server = process.env.THONSO_SERVER;
const proxy = server ? { '/api': { target: server, changeOrigin: false }, '/app': { target: server } } : undefined;

export default defineConfig({
  base: '/desk/',
  // What the field app and the desk share lies beside both and uses the packages of whoever takes it.
  resolve: { dedupe: ['svelte'] },
  server: { proxy, fs: { allow: ['..', '../../sync-protocol/data'].map((path) => fileURLToPath(new URL(path, import.meta.url))) } },
  build: {
    target: 'chrome109',
    outDir: fileURLToPath(new URL('../dist/desk', import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  plugins: [svelte()],
});
