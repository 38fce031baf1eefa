// Asks for an API key where the service wants one.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { api, apiKey, Problem } from "../api";
import { useAsked } from "./asking";
import { Failure, Loading } from "./states";

export function KeyGate({ children }: { children: ComponentChildren }) {
  const { value, error, again } = useAsked(api.info, []);
  if (error instanceof Problem && error.status === 401) return <KeyForm tried={apiKey.get() !== ""} onKey={again} />;
  if (error) return <Failure error={error} action={{ label: "Try again", onClick: again }} />;
  return value ? <>{children}</> : <Loading what="Asking the service …" />;
}

function KeyForm({ tried, onKey }: { tried: boolean; onKey: () => void }) {
  const [key, setKey] = useState("");
  const enter = (event: Event) => {
    event.preventDefault();
    apiKey.set(key.trim());
    onKey();
  };
  return (
    <form class="card" onSubmit={enter}>
      <h1>This service asks for a key</h1>
      <p>{tried ? "That key opens nothing here. " : ""}Whoever runs the service makes one with <code>snap6d keys make</code>. It is kept until this tab is closed.</p>
      <label>
        API key
        <input type="password" autocomplete="off" required value={key} onInput={(event) => setKey(event.currentTarget.value)} />
      </label>
      <button>Enter</button>
    </form>
  );
}
