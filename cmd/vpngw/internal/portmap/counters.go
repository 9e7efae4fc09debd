package portmap

// Counters is what happened since the start, for all peers together. Counts only grow.
type Counters struct {
	PCP       uint64 `json:"pcp"`        // requests of PCP
	NATPMP    uint64 `json:"nat_pmp"`    // requests of NAT-PMP
	Dropped   uint64 `json:"dropped"`    // no request at all, or too short to be answered
	NoPeer    uint64 `json:"no_peer"`    // from an address of no peer: dropped
	OverLimit uint64 `json:"over_limit"` // too many of one peer in a second: dropped
	Refused   uint64 `json:"refused"`    // answered with an error
	Mapped    uint64 `json:"mapped"`     // new mappings
	Renewed   uint64 `json:"renewed"`
	Deleted   uint64 `json:"deleted"` // mappings that their client deleted
	Expired   uint64 `json:"expired"`
	Ended     uint64 `json:"ended"` // mappings whose peer or permission went away
}
