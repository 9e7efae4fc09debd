package ourstack

// connLink is the place of a connection on a connList.
type connLink struct {
	conn       *Conn
	prev, next *connLink // nil when it is not on the list
	gone       bool      // it was removed for good, perhaps before it was added
}

// connList is a doubly linked list of connections, oldest first. The lock of its owner guards it and
// the links on it.
type connList struct {
	root connLink // ring: root.next is the oldest
	n    int
}

func (l *connList) init() { l.root.prev, l.root.next = &l.root, &l.root }

// add appends k, unless it was removed already: the milestones of a connection are carried out
// without its lock, so its end may overtake them.
func (l *connList) add(k *connLink) bool {
	if k.gone || k.next != nil {
		return false
	}
	k.prev, k.next = l.root.prev, &l.root
	k.prev.next, l.root.prev = k, k
	l.n++
	return true
}

// remove takes k off the list for good; it reports whether it was there.
func (l *connList) remove(k *connLink) bool {
	k.gone = true
	if k.next == nil {
		return false
	}
	k.prev.next, k.next.prev = k.next, k.prev
	k.prev, k.next = nil, nil
	l.n--
	return true
}

// oldest returns the first connection, nil if there is none.
func (l *connList) oldest() *Conn { return l.root.next.conn }
