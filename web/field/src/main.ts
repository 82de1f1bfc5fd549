import { mount } from 'svelte';
import { Workbox } from 'workbox-window';
import App from './App.svelte';
import './app.css';
import { app, start } from './lib/app.svelte';
import { applyLooks } from './lib/looks.svelte';

applyLooks();

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

const target = document.getElementById('app');
if (target) {
  target.replaceChildren();
  mount(App, { target });
}
start();
