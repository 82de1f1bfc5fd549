// Opens the app without a network. It keeps the pages and nothing else: rows live in the core's store, and what goes to the
// server goes to the server.
import { cleanupOutdatedCaches, createHandlerBoundToURL, precacheAndRoute } from 'workbox-precaching';
import type { PrecacheEntry } from 'workbox-precaching';
import { NavigationRoute, registerRoute } from 'workbox-routing';

declare const self: ServiceWorkerGlobalScope;
declare const __MANIFEST__: PrecacheEntry[];

cleanupOutdatedCaches();
precacheAndRoute(__MANIFEST__);
registerRoute(new NavigationRoute(createHandlerBoundToURL('/app/index.html')));

// A new version waits until the person says so: it must not swap the app under a half-filled form.
self.addEventListener('message', (event) => {
  if ((event.data as { type?: string } | null)?.type === 'SKIP_WAITING') void self.skipWaiting();
});
