import { mount } from 'svelte';
import { lang } from './lib/i18n';
import App from './App.svelte';
import './app.css';

document.documentElement.lang = lang();
const target = document.getElementById('desk');
if (target) mount(App, { target });
