// One of a few, each with a word on what it means.

import { type ComponentChildren, createContext } from "preact";
import { useContext, useId } from "preact/hooks";

const Group = createContext({ name: "", value: "", choose: (_: string) => {} });

interface Props<T extends string> {
  name: string;
  label: string;
  value: T;
  onChoose: (value: T) => void;
  children: ComponentChildren;
}

export function Choices<T extends string>({ name, label, value, onChoose, children }: Props<T>) {
  return (
    <div class="choices" role="radiogroup" aria-label={label} data-testid={`choices-${name}`}>
      <Group.Provider value={{ name, value, choose: onChoose as (value: string) => void }}>{children}</Group.Provider>
    </div>
  );
}

export function Choice({ value, title, aside, children }: { value: string; title: string; aside?: ComponentChildren; children?: ComponentChildren }) {
  const { name, value: chosen, choose } = useContext(Group);
  const words = useId();
  return (
    <label class={chosen === value ? "choice chosen" : "choice"}>
      <input type="radio" name={name} value={value} checked={chosen === value} aria-describedby={words} onChange={() => choose(value)} />
      <span>
        <strong>{title}</strong>
        <small id={words}>{children}</small>
      </span>
      {aside && <span class="aside">{aside}</span>}
    </label>
  );
}
