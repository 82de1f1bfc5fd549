import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { VitePWA } from 'vite-plugin-pwa';

// Everything lies below /app/, so that the service worker never stands between the desk or the API and the server.
export default defineConfig({
  base: '/app/',
  build: {
    target: 'chrome109',
    outDir: '../dist/app',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
  },
  worker: { format: 'es' },
  plugins: [
    svelte(),
    VitePWA({
      // Never swap the app under a half-filled form: the person is asked.
      registerType: 'prompt',
      workbox: {
        globPatterns: ['**/*.{html,js,css,wasm,svg,png,webmanifest}'],
        maximumFileSizeToCacheInBytes: 8 << 20,
        navigateFallback: '/app/index.html',
        cleanupOutdatedCaches: true,
      },
      manifest: {
        name: 'Thôn Số',
        short_name: 'Thôn Số',
        description: 'Sổ tay của tổ chuyển đổi số cộng đồng',
        lang: 'vi',
        start_url: '/app/',
        scope: '/app/',
        id: '/app/',
        display: 'standalone',
        orientation: 'portrait',
        theme_color: '#0b5d4b',
        background_color: '#f6f4ee',
        icons: [
          { src: 'icon-192.png', sizes: '192x192', type: 'image/png' },
          { src: 'icon-512.png', sizes: '512x512', type: 'image/png' },
          { src: 'icon-maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
        ],
      },
    }),
  ],
});
