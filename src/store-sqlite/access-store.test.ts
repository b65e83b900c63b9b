import { exerciseAccessStore } from '../ports/conformance/access-store.ts';
import { freshPort } from './store-fixture.ts';

exerciseAccessStore(freshPort((store) => store.access));
