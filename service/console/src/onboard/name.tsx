import { Section } from "./section";
import type { Session } from "./session";

export function NameSection({ session }: { session: Session }) {
  return (
    <Section id="name" title="Name" problem={session.problems.name}>
      <input
        class="wide"
        aria-labelledby="name-title"
        data-testid="object-name"
        maxLength={200}
        autocomplete="off"
        placeholder="object"
        value={session.forms.name}
        onInput={(event) => session.edit("name", event.currentTarget.value)}
      />
    </Section>
  );
}
