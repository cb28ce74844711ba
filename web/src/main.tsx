import { render } from 'preact';
import { App } from './views/app';
import { start } from './store';

const root = document.getElementById('app');
if (root === null) throw new Error('index.html has no #app');
root.textContent = '';
render(<App />, root);
start();
