"""What must hold of the tree below the suffix, where the registry is the authority.

- Every registered name has just the RRsets that the registry writes, in the deepest zone held
  around it, neither delegated nor redirected away nor the apex of a zone. A prefix that was closed
  without ever having had an identifier has a DNAME, and no zone begins below it.
- A name with the shape of an identifier that is not assigned has no records. No wildcard stands for
  such names, no other DNAME redirects them.
- All else is free: any other name, and delegations where no registered name lies.

`Walk` judges one zone in one pass, as its nodes and the registry's rows are in the same order. It
also finds what answering relies on and is not so: covers, empty non-terminals, damaged nodes.
`Changed` judges single names by the same rules, when they are changed by others.
"""

from registry.authority.changed import Changed as Changed
from registry.authority.finding import Fault as Fault
from registry.authority.finding import Finding as Finding
from registry.authority.held import Judgement as Judgement
from registry.authority.held import extras_from as extras_from
from registry.authority.held import extras_in as extras_in
from registry.authority.held import homeless as homeless
from registry.authority.held import judged as judged
from registry.authority.network import Network as Network
from registry.authority.network import as_held as as_held
from registry.authority.territory import Territory as Territory
from registry.authority.walk import Walk as Walk
from registry.authority.walk import closed_above as closed_above
from registry.authority.walk import leads_to as leads_to
from registry.authority.walk import rrsets_in as rrsets_in
