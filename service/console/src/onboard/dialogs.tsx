// Questions that are asked before something happens. The browser's own dialogs keep the focus, and Escape leaves them.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, Problem } from "../api";
import type { ObjectRow } from "../schema";
import { Refusal } from "./section";

interface Props {
  object: ObjectRow;
  onEnd: () => void;
}

export function DeleteDialog({ object, onEnd }: Props) {
  return (
    <Dialog title={`Delete ${object.name}?`} label="Delete" testid="delete-dialog" danger onEnd={onEnd} work={() => api.remove(object.id)}>
      <p>Its {object.photos ? `${object.photos} photos` : "options"}, its jobs and everything made from them are removed. This can't be undone.</p>
    </Dialog>
  );
}

export function RenameDialog({ object, onEnd }: Props) {
  const [name, setName] = useState(object.name);
  return (
    <Dialog title={`Rename ${object.name}`} label="Rename" testid="rename-dialog" onEnd={onEnd} work={() => api.change(object.id, { name: name.trim() })}>
      <label class="field">
        New name
        <input required pattern=".*\S.*" maxLength={200} autocomplete="off" value={name} onInput={(event) => setName(event.currentTarget.value)} />
      </label>
    </Dialog>
  );
}

interface DialogProps {
  title: string;
  label: string;
  testid: string;
  danger?: boolean;
  work: () => Promise<unknown>;
  onEnd: () => void;
  children: ComponentChildren;
}

function Dialog({ title, label, testid, danger, work, onEnd, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  useEffect(() => element.current!.showModal(), []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await work();
      element.current?.close();
    } catch (error) {
      setProblem(error as Problem);
    }
    setBusy(false);
  };
  return (
    <dialog ref={element} aria-labelledby={`${testid}-title`} data-testid={testid} onClose={onEnd}>
      <form onSubmit={submit}>
        <h2 id={`${testid}-title`}>{title}</h2>
        {children}
        <Refusal problem={problem} />
        <div class="row">
          <button class={danger ? "danger" : ""} disabled={busy}>{label}</button>
          <button type="button" class="quiet" onClick={() => element.current!.close()}>Keep it as it is</button>
        </div>
      </form>
    </dialog>
  );
}
