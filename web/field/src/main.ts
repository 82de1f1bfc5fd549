import { mount } from 'svelte';
import { registerSW } from 'virtual:pwa-register';
import App from './App.svelte';
import './app.css';
import { app, start } from './lib/app.svelte';
import { applyLooks } from './lib/looks.svelte';

applyLooks();

const update = registerSW({
  onNeedRefresh() {
    // The new version is there; it begins when the person says so, never under a half-filled form.
    app.updateWaiting = () => void update(true);
  },
});

const target = document.getElementById('app');
if (target) {
  target.replaceChildren();
  mount(App, { target });
}
start();
