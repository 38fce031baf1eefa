// How an onboarding goes.

import type { ObjectRow } from "../schema";

export function WatchTab({ object }: { object: ObjectRow; onChange: () => void }) {
  return <p>{object.state}</p>;
}
