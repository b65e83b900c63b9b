import { exerciseAsyncQueue } from '../ports/conformance/async-queue.ts';
import { freshPort } from './store-fixture.ts';

exerciseAsyncQueue(freshPort((store) => store.asyncQueue));
