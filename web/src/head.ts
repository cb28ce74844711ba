// What index.html waits for before it shows anything: the right colours, and the socket on its way.
import './theme';
import { openEarly } from './early';

openEarly();
