import { useEffect, useRef } from 'react';
import type { CodeEditor } from '../code-editor.ts';

/** JSON in an editor, which loads once it is needed. Without `onChange` it is read, folded and searched only. */
export function Code(props: {
  label: string;
  text: string;
  onChange?: (text: string) => void;
  rows?: number;
}) {
  const { label, text, onChange, rows } = props;
  const host = useRef<HTMLDivElement>(null);
  const editor = useRef<CodeEditor>(null);
  const latest = useRef({ text, onChange });
  latest.current = { text, onChange };
  const isEdited = onChange !== undefined;
  useEffect(() => {
    let isGone = false;
    void import('../code-editor.ts').then(({ openCodeEditor }) => {
      if (isGone) return;
      editor.current = openCodeEditor(host.current!, {
        ...{ label, text: latest.current.text },
        onChange: isEdited ? (next) => latest.current.onChange?.(next) : undefined,
      });
    });
    return () => {
      isGone = true;
      editor.current?.close();
      editor.current = null;
    };
  }, [label, isEdited]);
  useEffect(() => editor.current?.setText(text), [text]);
  return (
    <div
      ref={host}
      className={isEdited ? 'code field' : 'code'}
      style={rows === undefined ? undefined : { height: `calc(${rows} * 1.55 * 12.5px + 18px)` }}
    />
  );
}
