// What stands on a stage for a while.

import { useEffect } from "preact/hooks";
import type { BufferGeometry, Material, Mesh, Object3D } from "three";
import type { Stage } from "./stage";
import { zoom } from "./turning";

/** Shows it on the stage until there is another one, then frees what it holds. */
export function useContent(stage: Stage | undefined, content: Object3D | undefined) {
  useEffect(() => {
    if (!stage || !content) return;
    stage.scene.add(content);
    stage.draw();
    return () => {
      stage.scene.remove(content);
      stage.draw();
    };
  }, [stage, content]);
  useEffect(() => () => content?.traverse(free), [content]);
}

/** Nearer than what is sure to hold it: round things fill the picture. */
export function showAll(stage: Stage, content: Object3D) {
  stage.fit(content);
  zoom(stage, 1.25);
}

function free(one: Object3D) {
  const { geometry, material } = one as Partial<Mesh<BufferGeometry, Material & { map?: { dispose: () => void } }>>;
  geometry?.dispose();
  material?.map?.dispose();
  material?.dispose();
}
