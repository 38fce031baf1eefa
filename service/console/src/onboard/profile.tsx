// How thoroughly, and how long that takes.

import { api, Problem } from "../api";
import { useAsked } from "../parts/asking";
import { roughly } from "../parts/times";
import { Choice, Choices } from "./choices";
import { Section } from "./section";
import type { Session } from "./session";

const MEANING: Record<string, string> = {
  preview: "A first look: whether the photos do, a coarse shape, rough poses.",
  standard: "What most objects want.",
  full: "The finest shape and poses. Wants a GPU.",
};

export function ProfileSection({ session, arrived }: { session: Session; arrived: number }) {
  const { id } = session;
  const { value: info } = useAsked(api.info, []);
  const { value: forecast, error } = useAsked(async () => (id && arrived ? api.forecast(id) : undefined), [id, arrived]);
  const time = (profile: string) => {
    if (!forecast) return undefined;
    const known = forecast[profile];
    return known ? roughly(known.seconds) : "not known yet";
  };
  const hint = forecast ? "Times are those of the photos that have arrived, waiting for others not included." : "How long it takes is said here once photos have arrived.";
  return (
    <Section id="profile" title="How thoroughly" hint={hint} problem={session.problems.profile ?? (error instanceof Problem && !forecast ? error : undefined)}>
      <Choices name="profile" label="How thoroughly" value={session.forms.profile} onChoose={(profile) => session.edit("profile", profile)}>
        {(info?.profiles ?? []).map((profile) => (
          <Choice key={profile} value={profile} title={profile[0]!.toUpperCase() + profile.slice(1)} aside={time(profile)}>
            {MEANING[profile]}
          </Choice>
        ))}
      </Choices>
    </Section>
  );
}
