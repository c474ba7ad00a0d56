import type { Delivery } from './delivery.ts';

/** The deliveries whose handlers run, in no order. Each knows its place, so that coming and going cost next to nothing. */
export class Running {
  readonly all: Delivery[] = [];

  get size(): number {
    return this.all.length;
  }

  add(delivery: Delivery): void {
    delivery.place = this.all.length;
    this.all.push(delivery);
  }

  remove(delivery: Delivery): void {
    const last = this.all.pop()!;
    if (last === delivery) return;
    this.all[delivery.place] = last;
    last.place = delivery.place;
  }
}
