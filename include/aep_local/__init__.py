"""An Adobe Experience Platform on this machine: the public HTTP contract, moving real rows."""
