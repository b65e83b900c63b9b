import { exerciseTelemetryStore } from '../ports/conformance/telemetry-store.ts';
import { freshPort } from './store-fixture.ts';

exerciseTelemetryStore(freshPort((store) => store.telemetry));
