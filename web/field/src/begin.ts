// The app in a browser that can keep what is saved.
import { mount } from 'svelte';
import { Workbox } from 'workbox-window';
import App from './App.svelte';
import { app, start } from './lib/app.svelte';

/** Puts the app in place of the shell. */
export function begin(target: HTMLElement): void {
  target.replaceChildren();
  mount(App, { target });
  start();
}

if (import.meta.env.PROD && 'serviceWorker' in navigator) {
  const updates = new Workbox('/app/sw.js', { scope: '/app/' });
  // The new version is there; it begins when the person says so, never under a half-filled form.
  updates.addEventListener('waiting', () => {
    app.updateWaiting = () => {
      updates.addEventListener('controlling', () => location.reload());
      updates.messageSkipWaiting();
    };
  });
  void updates.register().then((registration) => {
    if (!registration) return;
    app.lookForUpdate = async () => {
      const found = await registration.update();
      const next = found.installing;
      // A page that was opened before there was a version to keep is led by none: the new one begins with the next loading.
      next?.addEventListener('statechange', () => {
        if (next.state === 'activated' && !navigator.serviceWorker.controller) app.updateWaiting = () => location.reload();
      });
      return (next ?? found.waiting) !== null;
    };
  });
}
