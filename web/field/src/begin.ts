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
  void updates.register();
}
