import { type CloudEvent, encodeCloudEvent } from './cloud-event.ts';

/**
 * An event as it is stored and delivered, with beside it what everybody asks for. Its text is written once, and mostly
 * never read here again: whoever wants more of it has it parsed.
 */
export class SealedEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  /** The CloudEvent as JSON text. It may share its memory with a few others of the same moment. */
  readonly text: Uint8Array;
  #parsed: CloudEvent | undefined;

  constructor(
    { id, source, type, subject }: Pick<CloudEvent, 'id' | 'source' | 'type' | 'subject'>,
    text: Uint8Array,
    parsed: CloudEvent | undefined,
  ) {
    this.id = id;
    this.source = source;
    this.type = type;
    this.subject = subject;
    this.text = text;
    this.#parsed = parsed;
  }

  get parsed(): CloudEvent {
    this.#parsed ??= JSON.parse(Buffer.from(this.text).toString()) as CloudEvent;
    return this.#parsed;
  }
}

/** `E_PAYLOAD_TOO_LARGE`. */
export function sealEvent(event: CloudEvent | SealedEvent): SealedEvent {
  return event instanceof SealedEvent ? event : new SealedEvent(event, encodeCloudEvent(event), event);
}

/** Of a text that was stored: this program wrote it. */
export function readSealedEvent(text: Uint8Array): SealedEvent {
  const event = JSON.parse(Buffer.from(text).toString()) as CloudEvent;
  return new SealedEvent(event, text, event);
}
