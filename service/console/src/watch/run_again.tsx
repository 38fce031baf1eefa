// Another run of the same photos: from a stage on, with another profile, with other options.

import { useState } from "preact/hooks";
import { api, Problem } from "../api";
import { useAsked } from "../parts/asking";
import type { Info, Job, ObjectRow } from "../schema";
import { stageTitle } from "./words";

const NOTHING = "Nothing would run: choose a stage to begin with, another profile or other options.";

interface Props {
  object: ObjectRow;
  job: Job;
  onBegun: () => void;
}

export function RunAgain({ object, job, onBegun }: Props) {
  const { value: info } = useAsked(api.info, []);
  return (
    <details class="again" data-testid="run-again">
      <summary>Run again with other options</summary>
      {info && <AgainForm key={object.updated_at} object={object} job={job} info={info} onBegun={onBegun} />}
    </details>
  );
}

function AgainForm({ object, job, info, onBegun }: Props & { info: Info }) {
  const [stage, setStage] = useState("");
  const [profile, setProfile] = useState(job.profile);
  const [text, setText] = useState(() => JSON.stringify(inForm(object.options), null, 2));
  const [state, setState] = useState<{ asking?: boolean; refused?: unknown }>({});
  const begin = async (event: Event) => {
    event.preventDefault();
    setState({ asking: true });
    try {
      const options = changes(object.options, text, info);
      if (!stage && profile === job.profile && Object.keys(options).length === 0) throw new Error(NOTHING);
      if (Object.keys(options).length) await api.change(object.id, { options });
      await api.train(object.id, { ...(stage && { from_stage: stage }), profile });
      onBegun();
      setState({});
    } catch (refused) {
      setState({ refused });
    }
  };
  return (
    <form onSubmit={begin}>
      <label>
        From stage
        <select value={stage} onChange={(event) => setStage(event.currentTarget.value)} data-testid="again-stage">
          <option value="">the first that the changes concern</option>
          {job.stages.map(({ name }) => <option key={name} value={name}>{`${stageTitle(name)} (${name})`}</option>)}
        </select>
      </label>
      <label>
        Profile
        <select value={profile} onChange={(event) => setProfile(event.currentTarget.value)} data-testid="again-profile">
          {info.profiles.map((name) => <option key={name}>{name}</option>)}
        </select>
      </label>
      <label>
        Options, as JSON
        <textarea rows={6} spellcheck={false} value={text} onInput={(event) => setText(event.currentTarget.value)} aria-describedby="again-fields" data-testid="again-options" />
      </label>
      <small id="again-fields">{`Fields: ${fields(info).join(", ")}. One that is taken out is taken back.`}</small>
      {state.refused !== undefined && <Refused error={state.refused} />}
      <button disabled={state.asking} data-testid="again-begin">Run again</button>
    </form>
  );
}

/** Beside the form, so that what was typed stays in sight. */
function Refused({ error }: { error: unknown }) {
  return <p class="tone-bad" role="alert">{error instanceof Problem ? `${error.what}: ${error.tryNext}` : (error as Error).message}</p>;
}

/** The name and the profile have places of their own. */
const fields = (info: Info) => Object.keys(info.options.onboard.properties).filter((name) => name !== "name" && name !== "profile");

const inForm = ({ name: _, profile: __, ...rest }: Record<string, unknown>) => rest;

/** What PATCH has to be told. Throws an Error that says what is wrong with the text. */
export function changes(before: Record<string, unknown>, text: string, info: Info): Record<string, unknown> {
  const wanted = parsed(text);
  const unknown = Object.keys(wanted).filter((name) => !fields(info).includes(name));
  if (unknown.length) throw new Error(`There is no option ${unknown.join(", ")}: the fields are ${fields(info).join(", ")}.`);
  const taken = Object.keys(inForm(before)).filter((name) => !(name in wanted));
  const changed = Object.entries(wanted).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]));
  return Object.fromEntries([...taken.map((name) => [name, null]), ...changed]);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text || "{}");
    if (value && typeof value === "object" && !Array.isArray(value)) return value;
  } catch (error) {
    throw new Error(`The options are no JSON: ${(error as Error).message}.`);
  }
  throw new Error('The options have to be an object, like {"known_length": {"length_m": 0.112}}.');
}
