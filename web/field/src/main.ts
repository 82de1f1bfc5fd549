import { mount } from 'svelte';
import { Workbox } from 'workbox-window';
import App from './App.svelte';
import './app.css';
import { app, start } from './lib/app.svelte';
import { unfit } from './lib/browser';
import { applyLooks } from './lib/looks.svelte';
import WrongBrowser from './parts/WrongBrowser.svelte';

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

async function open(): Promise<void> {
  const target = document.getElementById('app');
  if (!target) return;
  const why = await unfit();
  target.replaceChildren();
  if (why) mount(WrongBrowser, { target, props: { why } });
  else {
    mount(App, { target });
    start();
  }
}

void open();
