// What was typed and is not at the service yet, kept by the browser: a reload does not lose it.

import type { Forms } from "./forms";

const key = (draft: string) => `snap6d.draft.${draft}`;

export const notes = {
  read(draft: string): Partial<Forms> {
    try {
      return JSON.parse(localStorage.getItem(key(draft)) ?? "{}");
    } catch {
      return {};
    }
  },
  write(draft: string, forms: Partial<Forms>) {
    try {
      if (Object.keys(forms).length) localStorage.setItem(key(draft), JSON.stringify(forms));
      else localStorage.removeItem(key(draft));
    } catch {
      // a full or forbidden storage: what is complete is at the service anyway
    }
  },
  move(from: string, to: string) {
    notes.write(to, notes.read(from));
    notes.write(from, {});
  },
};
