import { mount } from 'svelte';
import './app.css';
import { unfit } from './lib/browser';
import { applyLooks } from './lib/looks.svelte';
import WrongBrowser from './parts/WrongBrowser.svelte';

// The app itself is loaded afterwards: what it needs at its first line is missing in the browsers that are told so here.

applyLooks();

async function open(): Promise<void> {
  const target = document.getElementById('app');
  if (!target) return;
  const why = await unfit();
  if (why) {
    target.replaceChildren();
    mount(WrongBrowser, { target, props: { why } });
    return;
  }
  const { begin } = await import('./begin');
  begin(target);
}

void open();
