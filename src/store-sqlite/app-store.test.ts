import { exerciseAppStore } from '../ports/conformance/app-store.ts';
import { freshPort } from './store-fixture.ts';

exerciseAppStore(freshPort((store) => store.apps));
