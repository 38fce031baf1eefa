// What a finished object is good for: its model, its accuracy, poses in images, exports.

import type { ObjectRow } from "../schema";

export function UseTab({ object }: { object: ObjectRow }) {
  return <p>{object.state}</p>;
}
