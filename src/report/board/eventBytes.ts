// Encodes events for TensorBoard. Field numbers are those of tensorboard/compat/proto (event.proto,
// summary.proto, tensor.proto, tensor_shape.proto).

import { double, type Field, float, message, text, whole } from './protobuf.ts';
import { recordOf } from './records.ts';

const Event = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7, source: 10 };
const Source = { writer: 1 };
const SessionLog = { status: 1 };
const Summary = { value: 1 };
const Value = { tag: 1, simpleValue: 2, tensor: 8, metadata: 9 };
const Metadata = { pluginData: 1 };
const PluginData = { pluginName: 1 };
const Tensor = { type: 1, shape: 2, strings: 8 };
const Shape = { dim: 2 };
const Dim = { size: 1 };

const FILE_VERSION = 'brain.Event:2';
const STATUS_START = 1;
const TYPE_STRING = 7;

/** The time of an event, in seconds since 1970, and its step. */
export interface EventTime {
  readonly seconds: number;
  readonly step: number;
}

/** The first record of every file. */
export function versionRecord(at: EventTime): Uint8Array {
  const source = message(Event.source, [text(Source.writer, 'syncbn')]);
  return eventRecord(at, [text(Event.fileVersion, FILE_VERSION), source]);
}

/** Makes TensorBoard discard what earlier files in the folder have from this step on. */
export function startRecord(at: EventTime): Uint8Array {
  return eventRecord(at, [message(Event.sessionLog, [whole(SessionLog.status, STATUS_START)])]);
}

/** Values by tag, stored as float32. */
export function scalarsRecord(
  at: EventTime,
  values: readonly (readonly [tag: string, value: number])[],
): Uint8Array {
  const fields = values.map(([tag, value]) =>
    message(Summary.value, [text(Value.tag, tag), float(Value.simpleValue, value)]),
  );
  return eventRecord(at, [message(Event.summary, fields)]);
}

/** Markdown text, for TensorBoard's text plugin. */
export function textRecord(at: EventTime, tag: string, markdown: string): Uint8Array {
  const shape = message(Tensor.shape, [message(Shape.dim, [whole(Dim.size, 1)])]);
  const fields = [
    text(Value.tag, tag),
    message(Value.tensor, [whole(Tensor.type, TYPE_STRING), shape, text(Tensor.strings, markdown)]),
    message(Value.metadata, [message(Metadata.pluginData, [text(PluginData.pluginName, 'text')])]),
  ];
  return eventRecord(at, [message(Event.summary, [message(Summary.value, fields)])]);
}

function eventRecord({ seconds, step }: EventTime, what: readonly Field[]): Uint8Array {
  return recordOf(
    Buffer.concat([double(Event.wallTime, seconds), whole(Event.step, step), ...what]),
  );
}
