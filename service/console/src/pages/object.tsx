// One object: how its onboarding goes, what became of its photos, and what it can be used for.

import { api } from "../api";
import { useAsked } from "../parts/asking";
import { Failure, Loading } from "../parts/states";
import { UseTab } from "./use";
import { WatchTab } from "./watch";

const TABS = { watch: "Watch", use: "Use" };

export function ObjectPage({ id, tab, part }: { id: string; tab?: string; part?: string }) {
  const { value: object, error, again } = useAsked(() => api.object(id), [id], 3000);
  if (!object) return error ? <Failure error={error} action={{ label: "Try again", onClick: again }} /> : <Loading what="Looking …" />;
  const shown = tab ?? (object.state === "ready" ? "use" : "watch");
  return (
    <>
      <h1>{object.name}</h1>
      <nav class="tabs" aria-label="Parts of this page">
        {Object.entries(TABS).map(([name, label]) => (
          <a key={name} href={`#/objects/${id}/${name}`} aria-current={name === shown ? "page" : undefined}>{label}</a>
        ))}
      </nav>
      {shown === "use" ? <UseTab object={object} /> : <WatchTab object={object} part={part} onChange={again} />}
    </>
  );
}
