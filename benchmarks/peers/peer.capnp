@0xc3f1d6a2b85e9d17;
interface Target {
  add @0 (a :Int64, b :Int64) -> (sum :Int64);
}
